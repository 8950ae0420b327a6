"""The command line: ``python -m farside`` and the ``farside`` script. It begins in `main`."""


class CommandError(Exception):
    """The command is wrong or cannot be carried out. The message is one line, with the cure."""
