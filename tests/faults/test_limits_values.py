"""Odd items and odd iterators: they come right, or a clear error does, at once."""

from __future__ import annotations

import os
import sys
from functools import partial
from itertools import islice
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    CallFailedError,
    ExhaustedIteratorWarning,
    FinalizerFailedWarning,
    NotPicklableError,
    WorkerIterationError,
)
from farside.testing.checks import take
from tests import jobs
from tests.faults import odd
from tests.kinds import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 50.0


def test_items_that_pickle_to_nothing(kind: Kind) -> None:
    with kind.start(odd.nothings, timeout=SECONDS) as items:
        got = list(items)
    assert got == odd.NOTHINGS
    assert list(map(type, got)) == list(map(type, odd.NOTHINGS))


def test_lone_surrogates_and_huge_integers(kind: Kind) -> None:
    with kind.start(odd.texts_and_numbers, timeout=SECONDS) as items:
        assert list(items) == odd.texts_and_numbers()


@pytest.mark.parametrize(("message", "times"), [("\ud800", 1), ("x", 20_000_000)])
def test_messages_that_are_odd_or_huge(kind: Kind, message: str, times: int) -> None:
    with kind.start(partial(odd.Raises, message, times), timeout=SECONDS) as items:
        got, error = take(items)
    assert got == [0]
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, ValueError)
    assert error.args == (message * times,)
    assert len(error.remote_traceback) < 300_000


@pytest.mark.parametrize("count", [99, 100, 101, 1024, 20_000])
def test_an_item_with_many_buffers(kind: Kind, count: int) -> None:
    with kind.start(partial(odd.many_buffers, count), timeout=SECONDS) as items:
        [item] = items
        assert len(item) == count
        assert {memoryview(buffer).nbytes for buffer in item} == {9000}


def test_what_is_too_deep_to_pickle(kind: Kind) -> None:
    with kind.start(partial(odd.deep, 100_000), timeout=SECONDS) as items:
        got, error = take(items)
    assert got == []
    assert isinstance(error, NotPicklableError)
    assert "recursion" in str(error).lower()


def test_what_is_too_deep_to_unpickle(kind: Kind) -> None:
    with kind.start(odd.deep_here, timeout=SECONDS) as items:
        got, error = take(items)
    assert got == [1]
    assert isinstance(error, NotPicklableError)
    assert "RecursionError" in str(error)
    assert "importable" not in str(error)


def test_reasons_that_have_no_text(kind: Kind) -> None:
    with kind.start(odd.MutePlace) as place:
        with pytest.raises(NotPicklableError, match="Mute"):
            place.call("get")
        with pytest.raises(NotPicklableError, match="Mute"):
            place.call("get", odd.MuteThere())
        results = iter(place)
        assert next(results) == 0
        with pytest.raises(NotPicklableError, match="Mute") as caught:
            next(results)
        assert caught.value.item_index == 1
        assert place.state == "closed"


def test_a_finalizer_that_fails_without_a_text(kind: Kind) -> None:
    with pytest.warns(FinalizerFailedWarning, match=r"finalizer\[0\] failed \(Mute"):
        kind.start(list[int], finalizer=odd.be_mute).close()


def test_a_great_many_tiny_items_can_be_kept(kind: Kind) -> None:
    with kind.start(partial(range, 300_000), timeout=SECONDS) as items:
        assert list(items) == list(range(300_000))


@pytest.mark.parametrize("buffer_size", [1, 10**9, sys.maxsize, 1 << 100])
def test_an_iterable_without_end(kind: Kind, buffer_size: int) -> None:
    with kind.start(jobs.Endless, buffer_size=buffer_size, timeout=SECONDS) as items:
        for _ in range(2):
            assert list(islice(items, 1000)) == list(range(1000))


def test_an_object_that_is_its_own_iterator(kind: Kind) -> None:
    with kind.start(partial(odd.ItsOwn, 3), timeout=SECONDS) as items:
        assert list(items) == [2, 1, 0]
        with pytest.warns(ExhaustedIteratorWarning):
            assert list(items) == []


def test_not_implemented_is_a_value(kind: Kind) -> None:
    with kind.start(odd.SaysNotImplemented, timeout=SECONDS) as items:
        assert list(islice(items, 3)) == [NotImplemented] * 3


@pytest.mark.parametrize("arena_bytes", [0, 1, 4095, 1 << 45])
def test_arenas_of_odd_sizes(kind: Kind, arena_bytes: int) -> None:
    fn: Callable[[], Any] = partial(jobs.Blocks, 5, 100_000)
    with kind.start(fn, arena_bytes=arena_bytes, timeout=SECONDS) as items:
        assert [len(item) for item in items] == [100_000] * 5


@pytest.mark.parametrize("arena_bytes", [(1 << 47) + 1, sys.maxsize, 1 << 70])
def test_an_arena_that_nobody_can_have(kind: Kind, arena_bytes: int) -> None:
    with pytest.raises(ValueError, match=f"arena_bytes={arena_bytes} is above"):
        kind.start(partial(range, 3), arena_bytes=arena_bytes)


def test_an_arena_that_this_process_cannot_have(kind: Kind) -> None:
    """It gets a smaller one, or none."""
    with kind.start(partial(range, 3), arena_bytes=1 << 47) as numbers:
        assert list(numbers) == [0, 1, 2]


@pytest.mark.skipif("FARSIDE_HUGE" not in os.environ, reason="takes 14 GiB: set FARSIDE_HUGE=1")
@pytest.mark.timeout(600)
def test_an_item_of_more_than_4_gib(kind: Kind) -> None:
    nbytes = (1 << 32) + 10
    with kind.start(partial(odd.large, nbytes), timeout=SECONDS) as items:
        [item] = items
    assert len(item) == nbytes


@pytest.fixture(params=[*KINDS, Kind("inline", "inline", {})], ids=lambda kind: kind.name)
def any_kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker, and the one that is none."""
    chosen: Kind = request.param
    return chosen


@pytest.mark.parametrize("nesting", odd.NESTINGS)
def test_connections_of_multiprocessing_are_refused(any_kind: Kind, nesting: str) -> None:
    """Each pickles as the number of a descriptor, which is another file on the other side."""
    with any_kind.start(partial(odd.Connected, nesting), timeout=SECONDS) as items:
        with pytest.raises(NotPicklableError, match=r"returned cannot be sent.*descriptor"):
            items.call("end")
        own = Pipe()
        with pytest.raises(NotPicklableError, match=r"arguments of 'take'.*descriptor"):
            items.call("take", odd.NESTINGS[nesting](own[0]))
        for end in own:
            end.close()
        with pytest.raises(CallFailedError, match="with its end") as caught:
            items.call("fail")
        assert type(caught.value) is CallFailedError  # it has arrived as text
        got, error = take(items)
    assert got == [0]
    assert isinstance(error, NotPicklableError)
    assert error.item_index == 1
    assert "receive from it on this side" in str(error)
