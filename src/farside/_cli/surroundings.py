"""Finds out what this machine and this Python offer, for `doctor` and `bench`."""

from __future__ import annotations

import multiprocessing
import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .._backends.registry import available_backends, choose
from .._parent.defaults import ARENA_BYTES
from .._system.cgroup import memory_limit, processors
from ..errors import BackendUnavailableError

_PACKAGES = ("cloudpickle", "numpy", "torch", "rich", "interpreters-pep-734")


def describe() -> dict[str, Any]:
    """Collect all that is known of machine and Python, in types that JSON has."""
    return {
        "farside": installed("farside"),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "gil": bool(getattr(sys, "_is_gil_enabled", lambda: True)()),
        },
        "platform": platform.platform(),
        "processors": processors(),
        "backends": {name: each._asdict() for name, each in available_backends().items()},
        "automatic": _automatic(),
        "start_methods": multiprocessing.get_all_start_methods(),
        "limits": limits(),
        "packages": {name: installed(name) for name in _PACKAGES},
    }


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def limits() -> dict[str, Any]:
    """Return the limits of workers and their shared memory, in bytes and counts; None: no limit."""
    return {
        "arena": "memfd" if hasattr(os, "memfd_create") else "temporary file",
        "arena_bytes": ARENA_BYTES,
        "memory_limit": memory_limit(),
        "open_files": _open_files(),
        "pipe_bytes": _number("/proc/sys/fs/pipe-max-size"),
    }


def _automatic() -> dict[str, Any]:
    try:
        choice = choose("auto", None)
    except BackendUnavailableError as error:
        return {"backend": None, "reason": error.reason}
    return {"backend": choice.name, "reason": choice.reason}


def _open_files() -> int | None:
    with suppress(ImportError, OSError):  # Windows; a policy forbids to ask
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return None if soft == resource.RLIM_INFINITY else soft
    return None


def _number(path: str) -> int | None:
    with suppress(OSError, ValueError):
        return int(Path(path).read_text())
    return None
