"""What somebody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class When:
    """Is ready when a function says so."""

    __slots__ = ("_holds",)

    def __init__(self, holds: Callable[[], bool]) -> None:
        self._holds = holds

    @property
    def ready(self) -> bool:
        """Whether there is no reason to wait."""
        return self._holds()
