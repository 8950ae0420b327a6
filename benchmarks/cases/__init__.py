"""Every case, by name. To add one, write a function that measures and list it in its module."""

from __future__ import annotations

from . import images, loops, many, resources, starts, streams
from .base import Case, FailedError, Job

__all__ = ["CASES", "Case", "FailedError", "Job"]

CASES: dict[str, Case] = {
    each.name: each
    for each in (
        *streams.CASES,
        *many.CASES,
        *images.CASES,
        *loops.CASES,
        *starts.CASES,
        *resources.CASES,
    )
}
