"""Warnings that name the line of the user's code."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import FarsideWarning

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def warn(message: str, category: type[FarsideWarning]) -> None:
    """Warn at the innermost line that is not farside's own.

    (Python 3.12 has ``skip_file_prefixes`` for this.)
    """
    level, frame = 2, sys._getframe(1)  # noqa: SLF001  as warnings itself does
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
