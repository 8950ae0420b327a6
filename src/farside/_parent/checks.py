"""Checks of single options. An error names the argument, the value and the cure."""

from __future__ import annotations

import math
import operator
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .._backends import registry
from .._payload import records
from .._protocol.credit import UNLIMITED

MAX_LEN = sys.maxsize  # the most that `len` returns, and `islice` takes

shown = records.shown  # most of those who check a value show it too


def whole(name: str, value: Any, cure: str) -> int:
    if not isinstance(value, bool) and hasattr(type(value), "__index__"):
        with suppress(TypeError):  # an array has the method too, whatever is in it
            return operator.index(value)
    raise TypeError(f"{name}={shown(value)} is not a whole number; {cure}")


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


def number_of(name: str, value: Any, cure: str) -> float:
    if not isinstance(value, (bool, str)) and hasattr(type(value), "__float__"):
        try:
            return float(value)
        except OverflowError:
            return math.inf
        except (TypeError, ValueError, RuntimeError):
            pass  # an array or tensor has the method too, whatever is in it
    raise TypeError(f"{name}={shown(value)} is not a number; {cure}")


def seconds(name: str, value: Any, or_else: str, *, positive: bool = True) -> float:
    cure = f"pass seconds{', more than 0' * positive}{or_else}"
    number = number_of(name, value, cure)
    if not math.isfinite(number) or (positive and number <= 0):
        what = f"a finite number{' above 0' * positive}"
        raise ValueError(f"{name}={shown(value)} is not {what}; {cure}")
    return min(number, threading.TIMEOUT_MAX)  # some 300 years: no wait may be longer


def limit(name: str, value: Any, none: str) -> float | None:
    return None if value is None else seconds(name, value, f", or None {none}")


def check_callable(name: str, value: Any, cure: str = "a function") -> None:
    if not callable(value):
        raise TypeError(f"{name}={shown(value)} is not callable; pass {cure}")


def flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError(f"{name}={shown(value)} is not a bool; pass True or False")


def name(value: Any) -> str | None:
    if value is None:
        return None
    cure = "pass a str in one line, or None"
    if not isinstance(value, str):
        raise TypeError(f"name={shown(value)} is not a str; {cure}")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"name={value!r} is empty or not printable; {cure}")
    return value


def index(value: Any, count: Any) -> int:
    """Check ``worker_index``, which is below ``worker_count``: a whole number of any kind."""
    cure = "pass a whole number, from 0 to worker_count - 1"
    number = whole("worker_index", value, cure)
    if not 0 <= number < operator.index(count):
        raise ValueError(
            f"worker_index={value!r} is not below worker_count={count!r}, or negative; {cure}"
        )
    return number


def seed(value: Any) -> int:
    """Check ``seed``, or draw one."""
    if value is None:
        return int.from_bytes(os.urandom(8), "little")
    cure = "pass a whole number, from 0 to 2**64 - 1, or None to have one drawn"
    number = whole("seed", value, cure)
    if not 0 <= number < 1 << 64:
        raise ValueError(f"seed={value!r} is out of range; {cure}")
    return number


def env(value: Any, backend: str) -> dict[str, str] | None:
    """Check ``env``, which only a process can have for itself."""
    if value is None:
        return None
    cure = "pass a dict of str, such as {'OMP_NUM_THREADS': '1'}, or None"
    if not isinstance(value, Mapping):
        raise TypeError(f"env={shown(value)} is not a mapping; {cure}")
    for name, text in value.items():  # no value is shown: it may be a password
        pair = f"env has {name!r}: <{type(text).__name__}>"
        if not (isinstance(name, str) and isinstance(text, str)):
            raise TypeError(f"{pair}, which are not both str; {cure}")
        if not name or "=" in name or "\0" in name + text:
            raise ValueError(f"{pair}, which no environment can have; {cure}")
    if backend != "auto" and not registry.load(backend).capabilities.own_environment:
        raise ValueError(
            f"env cannot be given to backend={backend!r}, whose worker shares the environment of "
            "this process; use backend='subprocess' or 'auto', or set os.environ in an initializer"
        )
    return dict(value)


def backend_options(value: Any, backend: str) -> dict[str, Any]:
    """Check ``backend_options``: each backend has its own."""
    if value is None:
        return {}
    cure = "pass a dict, such as {'num_cpus': 2} for backend='ray', or None"
    if not isinstance(value, Mapping):
        raise TypeError(f"backend_options={shown(value)} is not a mapping; {cure}")
    if backend == "auto":
        raise ValueError(f"backend_options={value!r} needs a backend, such as backend='ray'")
    registry.load(backend).check_options(value)
    return dict(value)
