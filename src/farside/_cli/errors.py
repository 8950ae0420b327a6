"""What ends a command."""

from __future__ import annotations


class CommandError(Exception):
    """The command is wrong or cannot be carried out: one line, with the cure."""
