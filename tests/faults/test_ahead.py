"""What fails in a worker that is ahead of its loop, which is left before it gets there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from farside.testing.checks import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.kinds import Kind

AHEAD = 0.1
"""Seconds in which a worker makes a few items."""


class FailsLate:
    """Its sixth item fails. The passes are counted, so that one sees that the worker has stayed."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        self.passes += 1
        for number in range(5):
            yield self.passes, number
        raise ValueError("late")


def fail_late(shard: int) -> Iterator[tuple[int, int]]:
    yield shard, 0
    yield shard, 1
    raise ValueError("late")


def leave_three_passes(items: Iterable[tuple[int, int]]) -> None:
    """Leave the first three passes of `FailsLate` before they fail, while the worker is ahead."""
    for number in range(1, 4):
        for item in items:
            assert item[0] == number, "the worker is the one of the first pass"
            time.sleep(AHEAD)
            if item[1] == 1:
                break


@pytest.mark.parametrize("buffer_size", [None, 1, 3, -1])
def test_it_does_not_touch_the_next_pass(kind: Kind, buffer_size: int | None) -> None:
    with kind.start(FailsLate, buffer_size=buffer_size, timeout=SECONDS) as items:
        leave_three_passes(items)
        assert next(iter(items)) == (4, 0)
        with pytest.raises(ValueError, match="late"):
            list(items)


def test_nor_by_async_for(kind: Kind) -> None:
    async def run() -> None:
        async with kind.start(FailsLate, timeout=SECONDS) as items:
            for number in range(1, 4):
                async for item in items:
                    assert item[0] == number
                    await asyncio.sleep(AHEAD)
                    if item[1] == 1:
                        break
            with pytest.raises(ValueError, match="late"):
                [item async for item in items]

    asyncio.run(run())


@pytest.mark.parametrize("in_order", [True, False])
def test_nor_where_there_are_several_workers(subprocess_kind: Kind, *, in_order: bool) -> None:
    options = {"in_order": in_order, "timeout": SECONDS}
    with subprocess_kind.start_several(fail_late, [7, 8, 9], 2, **options) as items:
        for _ in range(3):
            for _ in items:
                time.sleep(AHEAD)
                break
        with pytest.raises(ValueError, match="late"):
            list(items)


def test_a_call_after_it_is_answered(kind: Kind) -> None:
    with kind.start(FailsLate, timeout=SECONDS) as items:
        next(iter(items))
        time.sleep(AHEAD)
        assert items.call("__sizeof__") > 0


def test_closing_does_not_wait_for_it(kind: Kind) -> None:
    items = kind.start(FailsLate, timeout=SECONDS)
    assert next(iter(items)) == (1, 0)
    time.sleep(AHEAD)
    begun = time.monotonic()
    items.close()
    assert time.monotonic() - begun < SECONDS / 2
