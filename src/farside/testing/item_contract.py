"""The tests of items that every backend has to pass."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

from . import item_jobs as jobs
from .checks import StartsWorkers


class ItemContract(StartsWorkers):
    """Tests of how items cross; a part of `BackendContract`."""

    def test_items_of_all_kinds_arrive_in_order(self) -> None:
        given: list[dict[str, Any]] = [{}, {"buffer_size": 1}, {"arena_bytes": 0}]
        for options in given:
            with self.start(partial(jobs.mixed, 500), **options) as items:
                got = list(items)
            assert len(got) == 500
            for number, item in enumerate(got):
                expected = jobs.mixed_item(number)
                assert item == expected
                assert type(item) is type(expected)

    def test_blocks_larger_than_any_buffer(self) -> None:
        with self.start(partial(jobs.Blocks, 5, 3_000_000)) as blocks:
            got = [(len(block), block[-1]) for block in blocks]
            assert got == [(3_000_000, number) for number in range(5)]

    def test_items_are_snapshots(self) -> None:
        with self.start(partial(jobs.reuse_one_list, 1000)) as items:
            assert [item[0] for item in items] == list(range(1000))

    def test_small_items_of_every_kind_are_snapshots(self) -> None:
        for options in ({}, {"buffer_size": 3}):
            with self.start(jobs.changing, **options) as items:
                got = list(items)
            for item, expected in zip(got, jobs.unchanged()):  # noqa: B905  compared below
                assert item == expected
                assert type(item) is type(expected)
                assert repr(item) == repr(expected)
                jobs.change(item)  # this shows in later items if they share any object with it
            assert len(got) == len(list(jobs.unchanged()))

    def test_buffers_are_snapshots_and_writable(self) -> None:
        for nbytes in (100, 4096, 100_000):
            with self.start(partial(jobs.reuse_one_buffer, 50, nbytes)) as items:
                kept: list[Any] = list(items)
            for number, item in enumerate(kept):
                view = memoryview(item)
                assert bytes(view) == bytes([number]) * nbytes
                view[0] = 255
            assert [memoryview(item)[1] for item in kept] == list(range(50))

    def test_buffers_stay_for_as_long_as_they_are_kept(self) -> None:
        items = self.start(partial(jobs.Buffers, 100, 50_000), arena_bytes=1 << 20)
        iterator = iter(items)
        first = next(iterator)
        kept = [first, *iterator]
        again = list(items)
        del iterator, first
        items.close()
        del items
        gc.collect()
        for got in (kept, again):
            for number, item in enumerate(got):
                assert bytes(memoryview(item)) == bytes([number]) * 50_000
