"""What somebody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class When:
    """Is ready when a function says so. Another one says of which workers something has to come."""

    __slots__ = ("_awaited", "_holds")

    def __init__(
        self, holds: Callable[[], bool], awaited: Callable[[], Sequence[int] | None] = lambda: None
    ) -> None:
        self._holds = holds
        self._awaited = awaited

    @property
    def ready(self) -> bool:
        """Whether there is no reason to wait."""
        return self._holds()

    @property
    def workers(self) -> Sequence[int] | None:
        """The workers whose time counts; None: all."""
        return self._awaited()
