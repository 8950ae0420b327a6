"""Describes the machine of a run."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from typing import Any


def describe() -> dict[str, Any]:
    """Return processor, memory, system and date."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field("/proc/meminfo", "MemTotal"),
    }


def line() -> str:
    """Return the same in one line, which scripts print first."""
    return ", ".join(f"{key} {value}" for key, value in describe().items())


def _field(path: str, name: str) -> str:
    """Return the text after the first ``name:`` in a file of Linux."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.partition(":") for line in file]
    except OSError:
        return ""
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
