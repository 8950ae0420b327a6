"""What an exception says beside its own message."""

from __future__ import annotations


def note(error: BaseException, text: str) -> None:
    """Say more in an exception: by a note, which Python shows below the message.

    Before Python 3.11 there are none. The message then says it; or, where that is the user's own,
    the worker's traceback does, which Python shows above.
    """
    if hasattr(error, "add_note"):
        error.add_note(text)
        return
    if "_kinds" not in vars(error):
        error.args = (joined(str(error.args[0]), text), *error.args[1:])
    elif error.__cause__ is not None and (remote := error.__cause__.__cause__) is not None:
        remote.args = (f"{remote.args[0]}{text}\n",)


def joined(text: str, more: str) -> str:
    """Let a message go on: in a new line if it has several, such as a stack."""
    between = "\n" if "\n" in text else "; "
    return f"{text}{between}{more}"
