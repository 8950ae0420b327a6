"""Checks of the options that say which worker it is, and in which environment."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from typing import Any

from .._backends import registry
from .checks import shown, whole


def check_name(value: Any) -> str | None:
    """Check ``name``."""
    if value is None:
        return None
    cure = "pass a text in one line, or None"
    if not isinstance(value, str):
        raise TypeError(f"name={shown(value)} is no text; {cure}")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"name={value!r} is empty or not printable; {cure}")
    return value


def check_index(value: Any, count: Any) -> int:
    """Check ``worker_index``, which is below ``worker_count``: a whole number of any kind."""
    cure = "pass a whole number, from 0 to worker_count - 1"
    number = whole("worker_index", value, cure)
    if not 0 <= number < operator.index(count):
        raise ValueError(
            f"worker_index={value!r} is not below worker_count={count!r}, or negative; {cure}"
        )
    return number


def check_seed(value: Any) -> int:
    """Check ``seed``, or draw one."""
    if value is None:
        return int.from_bytes(os.urandom(8), "little")
    cure = "pass a whole number, from 0 to 2**64 - 1, or None to have one drawn"
    number = whole("seed", value, cure)
    if not 0 <= number < 1 << 64:
        raise ValueError(f"seed={value!r} is out of range; {cure}")
    return number


def check_env(value: Any, backend: str) -> dict[str, str] | None:
    """Check ``env``, which only a process can have for itself."""
    if value is None:
        return None
    cure = "pass a dict of texts, such as {'OMP_NUM_THREADS': '1'}, or None"
    if not isinstance(value, Mapping):
        raise TypeError(f"env={shown(value)} is no mapping; {cure}")
    for name, text in value.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise TypeError(f"env has {name!r}: {text!r}, which are not both texts; {cure}")
        if not name or "=" in name or "\0" in name + text:
            raise ValueError(f"env has {name!r}: {text!r}, which no environment can have; {cure}")
    if backend != "auto" and not registry.load(backend).capabilities.own_environment:
        raise ValueError(
            f"env cannot be given to backend={backend!r}, whose worker shares the environment of "
            "this process; use backend='subprocess' or 'auto', or set os.environ in an initializer"
        )
    return dict(value)


def check_backend_options(value: Any, backend: str) -> dict[str, Any]:
    """Check ``backend_options``: each backend has its own."""
    if value is None:
        return {}
    cure = "pass a dict, such as {'num_cpus': 2} for backend='ray', or None"
    if not isinstance(value, Mapping):
        raise TypeError(f"backend_options={shown(value)} is no mapping; {cure}")
    if backend == "auto":
        raise ValueError(f"backend_options={value!r} needs a backend, such as backend='ray'")
    registry.load(backend).check_options(value)
    return dict(value)
