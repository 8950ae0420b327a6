"""An exception that takes its time to be made again where it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

on_arrival: list[Callable[[], object]] = []
"""Called once each, by whoever unpickles a `SlowError` in this process."""


class SlowError(Exception):
    """Does, as it is unpickled, whatever is to be done."""

    def __reduce__(self) -> Any:
        return arrive, ()


def arrive() -> SlowError:
    while on_arrival:
        on_arrival.pop()()
    return SlowError("arrived")


def fails() -> Iterator[int]:
    yield 0
    raise SlowError("sent")
