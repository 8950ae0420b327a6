"""Adds notes to exceptions, and tells users of other events: by warnings and farside's logger."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from ..errors import FarsideWarning

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def note(error: BaseException, text: str) -> None:
    """Add a text to an exception: as a note, which Python shows below the message."""
    # Before Python 3.11 there are no notes. Then the text is added to the message or, if the
    # message is the user's own, to the worker's traceback, which Python shows above.
    if hasattr(error, "add_note"):
        error.add_note(text)
        return
    if "_kinds" not in vars(error):
        error.args = (joined(str(error.args[0]), text), *error.args[1:])
    elif error.__cause__ is not None and (remote := error.__cause__.__cause__) is not None:
        remote.args = (f"{remote.args[0]}{text}\n",)


def joined(text: str, more: str) -> str:
    """Append a text to a message: in a new line if the message has several, as with a stack."""
    between = "\n" if "\n" in text else "; "
    return f"{text}{between}{more}"


def warn(message: str, category: type[FarsideWarning]) -> None:
    """Warn at the innermost line that is not farside's own; in a thread of farside's, at none."""
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
    import logging  # imported only if there is something to log

    return logging.getLogger("farside")
