"""What somebody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class When(NamedTuple):
    """Functions that say what somebody waits for: see `Pass`, which has the same as methods."""

    ready: Callable[[], bool]
    """Tells whether there is no reason to wait."""
    workers: Callable[[], Sequence[int] | None] = lambda: None
    """Tells which workers' time counts; None: that of all."""
