"""The command line: ``python -m farside`` and the ``farside`` script. `main` is the way in."""


class CommandError(Exception):
    """The command is wrong or cannot be carried out: one line, with the cure."""
