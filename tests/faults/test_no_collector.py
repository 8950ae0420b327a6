"""Without the garbage collector nothing stays: programs turn it off where its pauses cost time.

So nothing that is made for each item, pass or iterable may refer to itself. Nor may what has failed
keep its exception: that refers to the frames that it has passed, and these to all the rest.
"""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BrokenWorkersError,
    CallFailedError,
    NotPicklableError,
    WorkerExecutor,
    WorkerFailedError,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
)
from tests.kinds import KINDS, SUBINTERPRETERS
from tests.mapping_jobs import refuse_at_twos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kinds import Kind

LARGE = 20_000
OPTIONS: dict[str, Any] = {"backend": "subprocess", "mp_context": "forkserver"}


class Uncollected:
    """Yields what there is, in a worker whose collector is off."""

    def __init__(self) -> None:
        gc.disable()
        self.items: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def have(self, items: list[Any]) -> None:
        """Yield these from now on."""
        self.items = items

    def fail(self) -> None:
        """Fail."""
        raise ValueError

    def collect(self) -> int:
        """Return how many objects nobody could reach any more."""
        return gc.collect()


def answer(made: Uncollected, item: Any) -> Any:
    """Return an input, in a worker that has made something."""
    return made.collect() if item is None else item


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_item_leaves_nothing_in_the_worker(kind: Kind) -> None:
    with kind.start(Uncollected) as items:
        for item in (7, {"a": 1}, bytes(100), bytes(LARGE), {1: bytes(LARGE)}, {3}):
            items.call("have", [item] * 20)
            assert list(items) == [item] * 20
            items.call("collect")  # what is made once
            assert list(items) == [item] * 20
            assert items.call("collect") == 0, item


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_call_that_fails_leaves_nothing_in_the_worker(kind: Kind) -> None:
    with kind.start(Uncollected) as items:
        left = []
        for _ in range(2):
            with pytest.raises(CallFailedError):
                items.call("fail")
            left.append(items.call("collect"))
        assert left[1] == 0


@pytest.mark.timeout(60)
def test_an_input_leaves_nothing_in_the_worker() -> None:
    given = [bytes(LARGE), [1], None]
    with map_in_workers(answer, given, 1, setup=Uncollected, **OPTIONS) as results:
        for _ in range(3):
            *_, left = results
        assert left == 0


def _items() -> None:
    with iterate_in_worker(partial(list[bytes], [bytes(LARGE)] * 3), **OPTIONS) as items:
        list(items)
        next(iter(items))
        items.call("count", 1)
        items.state_dict()
        items.stats()
        items.dump_stack()


def _shards(*, in_order: bool) -> None:
    with iterate_in_workers(range, [3, 1, 2], 2, in_order=in_order, **OPTIONS) as numbers:
        list(numbers)


def _results(*, flat: bool) -> None:
    options: dict[str, Any] = {"flat": flat, **OPTIONS}
    with map_in_workers(list[int], [bytes(LARGE)] * 3, 2, **options) as results:
        for _ in range(2):
            list(results)


def _same(given: Any) -> Any:
    if given == "raise":
        raise ValueError(given)
    return threading.Lock() if given == "lock" else given


def _in_this_thread() -> None:
    with iterate_in_worker(partial(list[str], "ab"), backend="inline") as items:
        for leave in (False, True):
            for _ in items:
                if leave:
                    break
    with map_in_workers(refuse_at_twos, range(3), 0, on_error="return") as results:
        list(results)


def _fail_in_map(given: Any, on_error: Any, *, leave: bool = False) -> None:
    inputs = [1, threading.Lock() if given == "input" else given, 2]
    with map_in_workers(_same, inputs, 1, on_error=on_error, **OPTIONS) as results:
        with suppress(WorkerFailedError, NotPicklableError):
            for _ in results:
                if leave:
                    break


def _futures() -> None:
    with WorkerExecutor(1, **OPTIONS) as executor:
        assert executor.submit(len, bytes(LARGE)).result() == LARGE


def _fail_in_executor() -> None:
    with WorkerExecutor(1, **OPTIONS) as executor:
        for call in (
            lambda: executor.submit(int, "no").result(),
            lambda: [*executor.map(int, "x")],
        ):
            with suppress(ValueError):
                call()


def _fail(fn: Any, **options: Any) -> None:
    made = {**OPTIONS, **options}
    with pytest.raises(Exception, match=r"."), iterate_in_worker(fn, **made) as items:
        list(items)


def _fail_here(fn: Any) -> None:
    _fail(fn, backend="inline", mp_context=None)


def _fail_in_shard_here() -> None:
    numbers = iterate_in_workers(_shard, ["12", "no"], 0)
    for take in (lambda: list(numbers), numbers.close):
        with suppress(ValueError):
            take()


def _shard(text: str) -> Iterator[int]:
    yield from map(int, [text])


def _look_here() -> None:
    with iterate_in_worker(partial(list[str], "ab"), backend="inline") as items:
        for _ in items:
            items.dump_stack()


def _fail_beside(fn: Any) -> None:
    for kind in (None, *SUBINTERPRETERS):  # None: as all else here
        options = {} if kind is None else {"backend": "subinterpreter", "mp_context": None}
        _fail(fn, wait=False, **options)


def _break() -> None:
    with WorkerExecutor(1, initializer=int, initargs=("no",), **OPTIONS) as executor:
        with pytest.raises(BrokenWorkersError):
            executor.submit(len, bytes(LARGE)).result()
        with pytest.raises(BrokenWorkersError, match="invalid literal"):
            executor.submit(len, "")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "use",
    [
        _items,
        _in_this_thread,
        partial(_shards, in_order=True),
        partial(_shards, in_order=False),
        partial(_results, flat=False),
        partial(_results, flat=True),
        *[partial(_fail_in_map, given, "raise") for given in ("input", "raise", "lock")],
        partial(_fail_in_map, "input", "skip"),
        partial(_fail_in_map, "input", "skip", leave=True),
        _futures,
        _fail_in_executor,
        partial(_fail, partial(int, "no")),
        partial(_fail, partial(map, int, ["1", "no"])),
        partial(_fail, partial(list, [threading.Lock()])),
        partial(_fail, partial(map, refuse_at_twos, range(3))),
        *[partial(_fail_here, fn) for fn in (partial(int, "no"), partial(map, int, ["1", "no"]))],
        partial(_fail_here, partial(list, [threading.Lock()])),
        _fail_in_shard_here,
        _look_here,
        partial(_fail, partial(os._exit, 3)),
        partial(_fail_beside, partial(repr, threading.Lock())),
        partial(_fail_beside, partial(int, "no")),
        _break,
    ],
)
def test_what_was_closed_leaves_nothing_here(use: Callable[[], None]) -> None:
    use()  # what is made once
    gc.disable()
    try:
        gc.collect()
        left = []
        for _ in range(3):
            use()
            left.append(gc.collect())
        # What is left each time; some things are made once, and only where a moment is slow.
        assert min(left) == 0
    finally:
        gc.enable()
