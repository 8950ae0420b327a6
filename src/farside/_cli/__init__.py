"""The command line: ``python -m farside`` and the ``farside`` script. It begins in `main`."""

import os
import sys


class CommandError(Exception):
    """The command is wrong or cannot be carried out. The message is one line, with the cure."""


def search_current_folder() -> None:
    """Let modules be found in the current folder, as ``python -m`` does and the script does not."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
