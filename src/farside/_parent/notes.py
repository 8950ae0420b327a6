"""What an exception says beside its message, which line a warning names, and farside's logger."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from ..errors import FarsideWarning

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def note(error: BaseException, text: str) -> None:
    """Say more in an exception: by a note, which Python shows below the message."""
    # Before Python 3.11 there are none. The message then says it; or, where that is the user's own,
    # the worker's traceback does, which Python shows above.
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


def warn(message: str, category: type[FarsideWarning]) -> None:
    """Warn at the innermost line that is not farside's own; in a thread of its own, at none."""
    # (Python 3.12 has ``skip_file_prefixes`` for this.)
    level, frame = 2, sys._getframe(1)  # noqa: SLF001  as warnings itself does
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    if frame.f_globals.get("__name__") == "threading":
        warnings.warn_explicit(message, category, "farside", 1)
    else:
        warnings.warn(message, category, stacklevel=level)


def logger() -> Any:  # a logging.Logger
    """Return farside's logger, for what is no warning."""
    import logging  # only who has something to say pays for it

    return logging.getLogger("farside")
