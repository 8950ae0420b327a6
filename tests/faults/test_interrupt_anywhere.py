"""Ctrl-C at every place where Python can run its handler: nothing hangs, nothing is left.

The same holds for handlers of SIGALRM and SIGTERM that raise, once a worker has started.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import FarsideError, map_in_workers
from farside._parent import wait
from tests import jobs, mapping_jobs
from tests.background import Background
from tests.faults.interrupting import Alarm, alarming, strike_at
from tests.kinds import INLINE, KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from farside import RemoteIterable
    from tests.faults.interrupting import Struck

    Strike: TypeAlias = Callable[[int, Callable[[], object]], Struck]

NUMBERS = partial(jobs.Numbers, 3)

PLACES = range(1, 1 << 20) if "FARSIDE_EVERY_PLACE" in os.environ else range(1, 1 << 20, 5)
"""Every fifth place, since all of them take minutes. Either way, a test ends at the last."""


@pytest.fixture(params=[kind for kind in KINDS if kind.name != "spawn"], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind but spawn, which is slow, and for the parent much like forkserver."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=[signal.SIGINT, signal.SIGALRM, signal.SIGTERM], ids=lambda each: each.name)
def strike(request: pytest.FixtureRequest) -> Iterator[Strike]:
    """`strike_at` with one of the signals that are deferred."""
    if request.param is signal.SIGINT:
        yield strike_at
        return
    with alarming(request.param):
        yield partial(strike_at, number=request.param, error=Alarm)


def test_while_a_worker_is_started(kind: Kind) -> None:
    made: list[RemoteIterable[int]] = []
    for place in PLACES:
        struck = strike_at(place, lambda: made.append(kind.start(NUMBERS)))
        while made:
            made.pop().close()
        if not struck.reached:
            break
        assert struck.raised
    with kind.start(NUMBERS) as numbers:
        assert list(numbers) == [0, 1, 2]


def test_while_a_loop_runs_and_is_left(kind: Kind, strike: Strike) -> None:
    with kind.start(NUMBERS, buffer_size=1) as numbers:

        def work() -> None:
            iterator = iter(numbers)
            next(iterator)
            next(iterator)
            iterator.close()

        for place in PLACES:
            struck = strike(place, work)
            # Another thread, since locks that this one has kept would let it pass.
            assert Background(list, numbers).result() == [0, 1, 2]
            if not struck.reached:
                break
            assert struck.raised


def test_while_a_thread_takes_the_items(kind: Kind, strike: Strike) -> None:
    with kind.start(NUMBERS, buffer_size=1) as numbers:

        def work() -> None:
            got.clear()
            iterator = numbers.in_thread(ahead=1)
            got.append(next(iterator))
            got.append(next(iterator))
            iterator.close()

        got: list[int] = []
        for place in PLACES:
            struck = strike(place, work)
            done = got[-1] + 1 if got else 0
            begun = numbers.state_dict()["begun"]
            assert begun == ([[0, done]] if done else [])
            assert Background(list, numbers).result() == [0, 1, 2]
            if not struck.reached:
                break
            assert struck.raised


def test_a_handler_that_closes_while_a_thread_takes_the_items() -> None:
    """What it finds is what the loop was given: nothing comes afterwards."""
    for place in PLACES:
        numbers, told, got = INLINE.start(NUMBERS), list[Any](), list[int]()

        def close(*_: object, numbers: RemoteIterable[int] = numbers, told: Any = told) -> None:
            numbers.close()
            told.append(numbers.state_dict())

        def work(numbers: RemoteIterable[int] = numbers, got: list[int] = got) -> None:
            with suppress(FarsideError):
                got.extend(numbers.in_thread())

        signal.signal(signal.SIGINT, close)
        struck = strike_at(place, work)
        numbers.close()
        if not struck.reached:
            break
        (state,) = told
        begun = [[0, len(got)]] if got else []
        places: list[tuple[Any, int]] = [(begun, 0)]
        if len(got) == 3:
            places.append(([], 1))  # the beginning of the next pass
        assert (state["begun"], state["epoch"]) in places


def test_while_a_map_of_large_inputs_runs(kind: Kind, strike: Strike) -> None:
    inputs = [bytearray([number]) * 20_000 for number in range(3)]
    options: dict[str, Any] = {"backend": kind.backend, "fallback": None, **kind.options}
    with map_in_workers(mapping_jobs.same, inputs, 2, **options) as results:
        assert list(results) == inputs  # both have started
        for place in PLACES:
            struck = strike(place, partial(list, results))
            assert Background(list, results).result() == inputs
            if not struck.reached:
                break
            assert struck.raised


def test_while_a_method_is_called(kind: Kind, strike: Strike) -> None:
    with kind.start(partial(jobs.Shelf, 3)) as shelf:
        for place in PLACES:
            struck = strike(place, partial(shelf.call, "echo", b"x" * 300_000))
            # Another thread, since locks that this one has kept would let it pass.
            assert Background(shelf.call, "echo", place).result() == place
            assert Background(list, shelf).result() == [0, 1, 2]
            if not struck.reached:
                break
            assert struck.raised


def test_while_the_stack_is_asked_for(kind: Kind) -> None:
    with kind.start(partial(jobs.Shelf, 3)) as shelf:
        for place in PLACES:
            struck = strike_at(place, shelf.dump_stack)
            assert "the thread" in Background(shelf.dump_stack).result()
            assert Background(shelf.call, "echo", place).result() == place
            if not struck.reached:
                break
            assert struck.raised


def test_while_a_worker_is_closed(kind: Kind) -> None:
    for place in PLACES:
        numbers = kind.start(NUMBERS)
        next(iter(numbers))
        struck = strike_at(place, numbers.close)
        Background(numbers.close).result()
        assert numbers.state == "closed"
        if not struck.reached:
            break
        assert struck.raised


def test_a_handler_that_closes_too(kind: Kind) -> None:
    for place in PLACES:
        numbers = kind.start(NUMBERS)
        signal.signal(signal.SIGINT, lambda *_, numbers=numbers: numbers.close())
        assert list(numbers) == [0, 1, 2]
        struck = strike_at(place, numbers.close)
        assert not struck.raised
        with suppress(FarsideError):
            list(numbers)
        assert numbers.state == "closed"
        if not struck.reached:
            break


@pytest.mark.parametrize(
    "kind", [*(each for each in KINDS if each.name != "spawn"), INLINE], ids=lambda kind: kind.name
)
def test_a_handler_that_closes_while_a_loop_runs(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "LONGEST_SECONDS", 600.0)  # a wait that misses it is a hang
    for place in PLACES:
        numbers = kind.start(NUMBERS)
        signal.signal(signal.SIGINT, lambda *_, numbers=numbers: numbers.close())
        got: list[int] = []
        struck = None
        with suppress(FarsideError):
            struck = strike_at(place, partial(got.extend, numbers))
        numbers.close()
        assert got == [0, 1, 2][: len(got)]
        assert struck is None or len(got) == 3
        if struck and not struck.reached:
            break


def test_while_the_loops_over_an_inline_worker_are_struck_one_after_the_other(
    strike: Strike,
) -> None:
    """No loop in between comes to its end."""
    with INLINE.start(NUMBERS) as numbers:
        assert list(numbers) == [0, 1, 2]
        for place in PLACES:
            struck = strike(place, partial(list, numbers))
            assert numbers.state != "closed"
            if not struck.reached:
                break
            assert struck.raised
        assert list(numbers) == [0, 1, 2]


def test_another_signal_while_a_loop_runs_and_is_left(kind: Kind) -> None:
    """It may cost the worker, which then is an error; it is never a hang or a wrong item."""

    def work() -> None:
        iterator = iter(numbers)
        next(iterator)
        next(iterator)
        iterator.close()

    with alarming():
        reached = True
        place = 0
        while reached:
            with kind.start(NUMBERS, buffer_size=1) as numbers:
                while reached and numbers.state != "closed":
                    place += 1
                    with suppress(FarsideError):
                        reached = strike_at(place, work, signal.SIGUSR1, Alarm).reached
                    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
                    with suppress(FarsideError):
                        assert Background(list, numbers).result() == [0, 1, 2]
