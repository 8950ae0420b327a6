"""Iterables that make their items on allocated memory. Workers import it: nothing heavy here."""

from __future__ import annotations

import threading
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any

import farside

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 100_000
KEPT: list[memoryview] = []
"""Views that the worker has until its end."""


def made(mark: int, size: int = SIZE) -> memoryview:
    """Allocate memory and mark it."""
    view = farside.allocate(size)
    view[:] = bytes([mark % 256]) * size
    return view


def is_shared(view: memoryview) -> bool:
    """Tell whether allocated memory is shared with the parent."""
    return not isinstance(view.obj, bytearray)


def blocks(count: int, size: int = SIZE) -> Iterator[tuple[bool, PickleBuffer]]:
    for number in range(count):
        view = made(number, size)
        yield is_shared(view), PickleBuffer(view)


def numbers(count: int) -> Iterator[PickleBuffer]:
    view = farside.allocate(8 * count).cast("d")
    for number in range(count):
        view[number] = number / 2
    yield PickleBuffer(view)


def written_later() -> Iterator[Any]:
    """Write to the memory after it was yielded, against what the documentation says."""
    view = made(1)
    yield PickleBuffer(view)
    view[0] = 2
    yield "written"


def yielded_twice() -> Iterator[Any]:
    view = made(1)
    yield PickleBuffer(view)
    yield PickleBuffer(view)
    yield PickleBuffer(view), PickleBuffer(view[9:])
    view[:] = bytes([2]) * SIZE
    yield "written"


def parts() -> Iterator[Any]:
    """Yield parts of blocks; write to them later."""
    views = [farside.allocate(SIZE) for _ in range(4)]
    for number, view in enumerate(views):
        view[:] = bytes(range(100)) * (SIZE // 100)
        yield PickleBuffer(view[number * 7 : SIZE - number])
    for view in views:
        view[50_000] = 255
    yield "written"


def kept_by_the_worker(count: int) -> Iterator[Any]:
    """Keep all that was yielded, while other items need memory; at last tell what it holds."""
    for number in range(count):
        KEPT.append(made(number))
        yield PickleBuffer(KEPT[-1])
        yield bytes([255]) * SIZE
    yield [set(view) for view in KEPT]


def kept_until_its_end() -> Iterator[Any]:
    """Leave views of all kinds to the end of the interpreter."""
    cycle: list[Any] = [made(1)]
    cycle.append(cycle)
    KEPT.extend([made(2), made(3)[5:], memoryview(made(4).cast("I"))])
    threading.kept = made(5)  # type: ignore[attr-defined]
    yield PickleBuffer(KEPT[-2])


def from_threads(count: int) -> Iterator[Any]:
    """Allocate in several threads, while items are stored."""
    results: list[bool] = []

    def work(mark: int) -> None:
        views = [made(mark, 20_000) for _ in range(count)]
        results.append(all(set(view) == {mark} for view in views))

    threads = [threading.Thread(target=work, args=[mark]) for mark in (1, 2, 3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        yield bytes([9]) * SIZE
    for thread in threads:
        thread.join()
    yield results


def after_a_failure() -> Iterator[Any]:
    """Fail to pickle an item that lies on allocated memory."""
    yield PickleBuffer(made(1)), lambda: None, Refuses()


class Refuses:
    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("refuses to pickle")


class Early:
    """Allocates while the worker is initialized."""

    def __init__(self) -> None:
        self.view = made(7)

    def __iter__(self) -> Iterator[Any]:
        yield is_shared(self.view), PickleBuffer(self.view)
