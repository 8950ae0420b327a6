"""What every kind of worker promises about allocated memory."""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import NotPicklableError, WorkerIterationError
from tests.backends import allocating
from tests.backends.allocating import SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind


def test_the_same_code_runs_without_a_worker() -> None:
    items = list(allocating.blocks(300))
    assert [(shared, set(memoryview(item))) for shared, item in items] == [
        (False, {number % 256}) for number in range(300)
    ]


def test_items_arrive(kind: Kind) -> None:
    with kind.start(partial(allocating.blocks, 300)) as items:
        for number, (shared, item) in enumerate(items):
            assert shared
            assert set(memoryview(item)) == {number % 256}


def test_other_formats(kind: Kind) -> None:
    with kind.start(partial(allocating.numbers, 5000)) as items:
        [item] = items
    received = memoryview(item).cast("B").cast("d")
    assert received.tolist() == [number / 2 for number in range(5000)]


def test_nothing_is_copied(kind: Kind) -> None:
    with kind.start(allocating.written_later) as items:
        item, _ = items
    view = memoryview(item)
    assert (view[0], view[1], view.nbytes) == (2, 1, SIZE)
    view[1] = 3


def test_nor_where_a_part_is_yielded(kind: Kind) -> None:
    with kind.start(allocating.parts) as items:
        *received, _ = items
    for number, item in enumerate(received):
        expected = bytearray(bytes(range(100)) * (SIZE // 100))
        expected[50_000] = 255
        assert bytes(memoryview(item)) == expected[number * 7 : SIZE - number]


def test_what_the_parent_has_is_copied_when_it_is_yielded_again(kind: Kind) -> None:
    with kind.start(allocating.yielded_twice) as items:
        first, second, both, _ = items
    assert set(memoryview(first)) == {2}
    for item in (second, *both):
        assert set(memoryview(item)) == {1}
    assert memoryview(both[1]).nbytes == SIZE - 9


def test_far_more_than_the_arena_has(kind: Kind) -> None:
    with kind.start(partial(allocating.blocks, 400, 1_000_000), arena_bytes=1 << 24) as items:
        for number, (shared, item) in enumerate(items):
            assert shared
            view = memoryview(item)
            assert view[0] == view[999_999] == number % 256


def test_what_the_parent_keeps(kind: Kind) -> None:
    """More than there is room for in the arena."""
    with kind.start(partial(allocating.blocks, 100), arena_bytes=1 << 22) as items:
        kept = [item for _, item in items]
        assert [set(memoryview(item)) for item in kept] == [{number} for number in range(100)]
    assert [set(memoryview(item)) for item in kept] == [{number} for number in range(100)]


def test_what_the_worker_keeps(kind: Kind) -> None:
    """It is not written to by what comes later, though the parent is done with it."""
    with kind.start(partial(allocating.kept_by_the_worker, 20), arena_bytes=1 << 24) as items:
        *_, last = items
    assert last == [{number} for number in range(20)]


def test_an_arena_that_the_worker_fills(kind: Kind) -> None:
    with kind.start(partial(allocating.kept_by_the_worker, 100), arena_bytes=1 << 20) as items:
        *received, last = items
    assert [set(memoryview(item)) for item in received[::2]] == [{mark} for mark in range(100)]
    assert last == [{number} for number in range(100)]


def test_without_an_arena(kind: Kind) -> None:
    with kind.start(partial(allocating.blocks, 5), arena_bytes=0) as items:
        assert [(shared, set(memoryview(item))) for shared, item in items] == [
            (False, {number}) for number in range(5)
        ]


def test_views_outlive_the_worker_on_both_sides(kind: Kind) -> None:
    with kind.start(allocating.kept_until_its_end) as items:
        [item] = items
    gc.collect()
    view = memoryview(item)
    assert set(view) == {3}
    view[0] = 1
    assert view.nbytes == SIZE - 5


def test_passes_that_are_left(kind: Kind) -> None:
    """What was on its way, and what waited, comes back."""
    with kind.start(Again, arena_bytes=1 << 22) as items:
        for _ in range(100):
            for shared, item in items:
                assert shared
                assert set(memoryview(item)) == {0}
                break
        assert len([shared for shared, _ in items if shared]) == 20


class Again:
    def __iter__(self) -> Iterator[Any]:
        return allocating.blocks(20)


def test_threads_of_the_worker(kind: Kind) -> None:
    with kind.start(partial(allocating.from_threads, 50)) as items:
        for item in items:
            assert set(item) == {9} or item == [True, True, True]
        assert item == [True, True, True]


def test_memory_of_initialization(kind: Kind) -> None:
    with kind.start(allocating.Early) as items:
        for _ in range(3):
            [(shared, item)] = items
            assert shared
            assert set(memoryview(item)) == {7}


def test_an_item_that_cannot_be_pickled(kind: Kind) -> None:
    with kind.start(allocating.after_a_failure) as items:
        with pytest.raises((NotPicklableError, WorkerIterationError), match="refuses to pickle"):
            list(items)
