"""For how long a worker may say nothing."""

from __future__ import annotations

from .._named_tuple import NamedTuple


class Limits(NamedTuple):
    """For how many seconds a worker may say nothing; None is no limit."""

    init: float | None = None
    answer: float | None = None
    task: float | None = None
    """For how many seconds an input of a map may run."""


NO_LIMITS = Limits()

STACK_SECONDS = 0.5
"""How long a worker that has run out of time may take to tell where it is. One that can does so in
milliseconds."""
