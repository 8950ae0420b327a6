"""Checks of numbers and flags. An error names the argument, the value and the cure."""

from __future__ import annotations

import math
import operator
import threading
from typing import Any

from .._protocol.credit import UNLIMITED

_MOST = 500
"""Characters of a value that are shown."""


def shown(value: Any) -> str:
    """Show a value in a message, whatever it is: the data itself, which may be large, is common."""
    try:
        text = repr(value)
    except Exception:  # user code
        return f"<{type(value).__name__} whose repr() failed>"
    return text if len(text) <= _MOST else f"{text[:_MOST]}… ({len(text)} characters)"


def whole(name: str, value: Any, cure: str) -> int:
    """Check a whole number."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{name}={shown(value)} is not a whole number; {cure}")
    return operator.index(value)


def count(name: str, value: Any, unit: str, least: int = 1, most: int | None = None) -> int:
    cure = f"pass a whole number of {unit}, {least} or more"
    if name == "buffer_size":
        cure += f", {UNLIMITED} for no limit, or None for automatic"
    elif name in {"num_workers", "max_workers"}:
        cure += ", such as os.cpu_count()"
    number = whole(name, value, cure)
    if number < least:
        raise ValueError(f"{name}={shown(value)} is below {least}; {cure}")
    if most is not None and number > most:
        raise ValueError(f"{name}={shown(value)} is above {most}; pass less")
    return number


def seconds(name: str, value: Any, or_else: str) -> float:
    cure = f"pass seconds, more than 0{or_else}"
    if isinstance(value, (bool, str)) or not hasattr(type(value), "__float__"):
        raise TypeError(f"{name}={shown(value)} is not a number; {cure}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name}={shown(value)} is not a finite number above 0; {cure}")
    return min(number, threading.TIMEOUT_MAX)  # some 300 years: no wait may be longer


def limit(name: str, value: Any, none: str) -> float | None:
    return None if value is None else seconds(name, value, f", or None {none}")


def flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"{name}={shown(value)} is not a bool; pass True or False")
