"""Events of a client: finalizers, signal handlers and threads, in the middle of one another."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from farside import (
    BackendFallbackWarning,
    FarsideError,
    IterableClosedError,
    PassSupersededError,
    ProtocolError,
)
from farside._parent import closing, results, steps, wait
from farside._parent.calls import ask_for_stacks, call_method
from farside._parent.deadline import When
from farside._parent.results import enter_iteration_mode
from farside._parent.stats import collect
from farside._protocol.effects import BROKEN
from farside._protocol.group import GroupCore
from farside._protocol.inbox import Inbox
from farside._protocol.messages import Cmd, Status
from farside._protocol.parent_machine import ParentState
from farside.testing.checks import take
from tests.background import Background
from tests.faults.interrupting import Alarm, alarming, strike_at
from tests.jumps import struck
from tests.parent import scripted
from tests.parent.scripted import (
    answer,
    finished,
    items,
    iterate,
    launching,
    ready,
    refusal,
    started,
    state,
)

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator

    from farside._parent.client import Client


def noting(seen: list[Any], value: object) -> Callable[[GroupCore], object]:
    return lambda _: seen.append(value)


def test_an_event_happens_at_once_when_nobody_has_the_lock() -> None:
    client, _ = scripted.client()
    seen: list[int] = []
    client.post(noting(seen, 1))
    assert seen == [1]
    assert client.step(lambda _: 2) == 2


@pytest.mark.parametrize("where", ["in a step", "in an effect"])
def test_an_event_left_by_the_thread_that_has_the_lock_happens_after_it(where: str) -> None:
    client, link = scripted.client()
    seen: list[int] = []

    def leave(*_: object) -> None:
        client.post(noting(seen, 1))
        assert client.step(noting(seen, 2)) is None
        assert seen == []

    if where == "in a step":
        client.step(leave)
    else:
        link.on_send = leave
        client.step(GroupCore.start)
    assert seen == [1, 2]


def test_an_event_left_by_another_thread_happens_in_the_thread_that_has_the_lock() -> None:
    client, link = scripted.client()
    seen: list[int] = []

    def leave(*_: object) -> None:
        # It does not wait for the lock.
        Background(client.post, lambda _: seen.append(threading.get_ident())).result()
        assert seen == []

    link.on_send = leave
    client.step(GroupCore.start)
    assert seen == [threading.get_ident()]


def test_an_event_left_while_an_event_happens_happens_next() -> None:
    client, _ = scripted.client()
    seen: list[int] = []

    def happen(value: int, _: GroupCore) -> None:
        seen.append(value)
        if value < 3:
            client.post(partial(happen, value + 1))

    client.post(partial(happen, 1))
    assert seen == [1, 2, 3]


def test_no_event_is_lost_between_threads() -> None:
    client, _ = scripted.client()
    seen: list[int] = []

    def work(start: int) -> None:
        for number in range(start, start + 500):
            client.step(noting(seen, number))
            client.post(noting(seen, -number))

    threads = [Background(work, start) for start in (1000, 2000, 3000)]
    for thread in threads:
        thread.result()
    client.step(lambda _: None)
    assert len(seen) == 3000
    assert sorted(seen) == sorted({*seen})


def test_the_other_threads_are_not_in_the_middle_of_an_event() -> None:
    client, link = scripted.client()
    assert not client.stepping_here
    told: list[bool] = []

    def ask(*_: object) -> None:
        told.append(client.stepping_here)
        told.append(Background(lambda: client.stepping_here).result())

    link.on_send = ask
    client.step(GroupCore.start)
    assert told == [True, False]


@pytest.mark.parametrize(
    "use",
    [
        enter_iteration_mode,
        lambda client: call_method(client, "__len__", (), {}),
        lambda client: client.wait(When(lambda: False)),
    ],
    ids=["a pass", "a call", "a wait"],
)
def test_a_handler_that_strikes_in_the_middle_of_an_event_begins_nothing(
    use: Callable[[Client], object],
) -> None:
    client, link = scripted.client()
    told: list[str] = []

    def strike(*_: object) -> None:
        try:
            use(client)
        except RuntimeError as error:
            told.append(str(error))

    link.on_send = strike
    client.step(GroupCore.start)
    assert len(told) == 1
    assert "set a flag" in told[0]


def dump_in_vain(client: Client) -> None:
    assert not client.waiting.look_if_free(client)  # as a step of a loop does
    with pytest.raises(RuntimeError, match="signal handler"):
        ask_for_stacks(client)


@pytest.mark.parametrize("closes", [False, True])
def test_a_handler_that_strikes_as_items_are_taken_in_takes_none(
    monkeypatch: pytest.MonkeyPatch, *, closes: bool
) -> None:
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), items(1, "b"), finished(1))
    handle = partial(closing.close, client, kill=False) if closes else partial(dump_in_vain, client)
    take_from = Inbox.take_from

    def strike_once(inbox: Inbox, frames: deque[Any]) -> None:
        monkeypatch.undo()
        handle()
        take_from(inbox, frames)

    monkeypatch.setattr(Inbox, "take_from", strike_once)
    got, error = take(iterate(client))
    assert got == ([] if closes else ["a", "b"])
    assert type(error) is (IterableClosedError if closes else type(None))
    assert ("close reading",) in link.told or not closes


def test_a_handler_of_sigint_that_was_held_back_as_items_were_taken_in_may_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs when they are taken in."""
    client, link = scripted.client()
    link.then(started(1), items(1, "a"), items(1, "b"), finished(1))
    before = signal.signal(signal.SIGINT, lambda *_: client.check_not_stepping())
    take_from = Inbox.take_from

    def strike_once(inbox: Inbox, frames: deque[Any]) -> None:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        take_from(inbox, frames)

    monkeypatch.setattr(Inbox, "take_from", strike_once)
    try:
        assert list(iterate(client)) == ["a", "b"]
    finally:
        signal.signal(signal.SIGINT, before)


# What is raised in the middle of an event -----------------------------------------------------


def test_an_event_that_does_not_fit_changes_nothing() -> None:
    client, link = scripted.client()
    before = client.core

    def fail(core: GroupCore) -> NoReturn:
        core.start()
        raise ProtocolError("it does not fit")

    with pytest.raises(ProtocolError, match="it does not fit"):
        client.step(fail)
    assert client.core is before
    assert (state(client), link.told) == (ParentState.STAND_BY, [])


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, Alarm])
def test_an_event_that_was_interrupted_happens_once(interrupt: type[BaseException]) -> None:
    client, link = scripted.client()
    raising = [True]

    def begin(core: GroupCore) -> int:
        epoch = core.start()
        if raising.pop():
            raising.append(False)
            raise interrupt
        return epoch

    with pytest.raises(interrupt):
        client.step(begin)
    assert (state(client), link.told, client.core.epoch) == (ParentState.STAND_BY, [], 0)
    client.step(lambda _: None)
    assert (state(client), client.core.epoch) == (ParentState.STARTING, 1)
    assert link.told == [("START_ITERATION", 1)]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, Alarm])
def test_an_effect_that_was_interrupted_ends_the_worker(interrupt: type[BaseException]) -> None:
    client, link = scripted.client()

    def strike(*_: object) -> NoReturn:
        link.on_send = lambda *_: None
        raise interrupt

    link.on_send = strike
    with pytest.raises(interrupt):
        enter_iteration_mode(client)
    with pytest.raises(ProtocolError, match="signal handler") as caught:
        enter_iteration_mode(client)
    with pytest.raises(IterableClosedError) as closed:
        enter_iteration_mode(client)
    assert closed.value.__cause__ is caught.value
    client.chores.see_to()
    assert scripted.worker_of(client).killed
    assert link.told[0] == ("ABORT", 1)


def test_ctrl_c_comes_after_the_event() -> None:
    client, link = scripted.client()
    strikes = [signal.SIGINT]
    link.on_send = lambda *_: signal.raise_signal(strikes.pop()) if strikes else None
    with pytest.raises(KeyboardInterrupt):
        enter_iteration_mode(client)
    # The pass has begun, and nobody gets to know it: so it is left.
    assert link.told == [("START_ITERATION", 1), ("STOP_ITERATION", 1), ("revoke", 1)]
    assert state(client) is ParentState.STOPPING
    assert not client.core.workers[0].effects
    strikes.append(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        client.post(GroupCore.start)
    assert link.told[3:] == [("START_ITERATION", 2)]


# Dropped in the middle ------------------------------------------------------------------------


def test_a_pass_that_was_given_up_before_it_began_does_not_begin_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C may strike while the thread waits for the lock. Nobody would ever stop the pass."""
    client, _ = scripted.client()

    def strike(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("farside._parent.steps.defer_signals", strike)
        with pytest.raises(KeyboardInterrupt):
            enter_iteration_mode(client)
    client.post(lambda _: None)
    assert client.core.epoch == 0


def test_an_iterator_that_is_dropped_in_the_middle_of_a_send_stops_its_pass() -> None:
    client, link = scripted.client(started(1), items(1, "a"))
    held = [iterate(client)]
    assert next(held[0]) == "a"
    link.on_send = lambda *_: held.clear()
    client.step(lambda core: core.workers[0].ask_for_stack(None))
    assert not held
    assert link.told[1:] == [("REPORT_STACK", 1), ("STOP_ITERATION", 1), ("revoke", 1)]
    assert state(client) is ParentState.STOPPING


def test_an_iterator_that_is_dropped_as_it_is_superseded_stops_nothing() -> None:
    client, link = scripted.client(started(1), items(1, "a"))
    held = [iterate(client)]
    assert next(held[0]) == "a"
    link.on_send = lambda *_: held.clear()
    client.step(GroupCore.start)
    assert link.told[1:] == [("STOP_ITERATION", 1), ("revoke", 1), ("START_ITERATION", 2)]
    assert state(client) is ParentState.STARTING


@pytest.fixture
def _striking() -> Iterator[None]:
    """Let a signal that nothing here holds back raise KeyboardInterrupt."""
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    yield
    signal.signal(signal.SIGUSR1, before)


WORKS: dict[str, Callable[[Client], object]] = {
    "start": lambda client: client.step(GroupCore.start),
    "supersede": lambda client: [client.step(GroupCore.start) for _ in "12"],
    "leave": lambda client: client.post(
        partial(GroupCore.stop, epoch=client.step(GroupCore.start) or 0)
    ),
    "ask": lambda client: client.step(lambda core: core.workers[0].ask_for_stack(None)),
    "close": lambda client: client.step(GroupCore.close),
}


@pytest.mark.usefixtures("_striking")
@pytest.mark.parametrize("work", WORKS)
def test_a_signal_handlers_exception_leaves_no_event_half_done(work: str) -> None:
    """Wherever it strikes, all effects are those of whole events, or the worker was given up."""
    for place in range(1, 1 << 20):
        client, link = scripted.client()
        struck = strike_at(place, partial(WORKS[work], client), signal.SIGUSR1)
        # Another thread, since a lock that this one has kept would let it pass.
        Background(client.step, lambda _: None).result()
        core = client.core.workers[0]
        assert not core.effects
        assert not client._mailbox
        if core.failure is not None:
            assert core.failure.cause == BROKEN
            assert state(client) is ParentState.DONE
        else:
            assert link.told == said_by(client, work)
        client.abandon()
        if not struck.reached:
            assert core.failure is None
            break
        assert struck.raised


def said_by(client: Client, work: str) -> list[tuple[Any, ...]]:
    """Return what a worker was told that has come to where the core is."""
    epoch, now = client.core.epoch, state(client)
    told: list[tuple[Any, ...]] = [("START_ITERATION", 1)] * (epoch >= 1)
    if epoch == 2:
        told += [("STOP_ITERATION", 1), ("revoke", 1), ("START_ITERATION", 2)]
    if now is ParentState.STOPPING:
        told += [("STOP_ITERATION", epoch), ("revoke", epoch)]
    if now is ParentState.DONE:
        told += [("ABORT", epoch), ("revoke", epoch)]
    if work == "ask":
        told += [("REPORT_STACK", epoch)] * len(client.core.workers[0]._stacks)
    return told


REFUSED = refusal(Status.ITERATOR_FAILED, 1, "next", 0)


class Obliging:
    """Lets a scripted worker do what it is told.

    Args:
        link: the way to it.
        refuses: it cannot, since an extension module refuses to load.
    """

    def __init__(self, link: scripted.ScriptedLink, *, refuses: bool = False) -> None:
        self.calls = 0
        self._link = link
        self._refuses = refuses
        link.on_send = self._oblige

    def _oblige(self, cmd: Cmd, epoch: int) -> None:
        if cmd is Cmd.CALL:
            self.calls += 1
            self._link.then(answer(epoch, self.calls))
        elif cmd is Cmd.START_ITERATION and self._refuses:
            self._link.then(started(epoch), REFUSED)
        elif cmd is Cmd.START_ITERATION:
            self._link.then(started(epoch), items(epoch, epoch), finished(epoch))


def call(client: Client) -> Any:
    return call_method(client, "go", (), {})


def whole_pass(client: Client) -> list[Any]:
    return list(iterate(client))


@pytest.mark.usefixtures("_striking")
@pytest.mark.parametrize(
    ("how", "every"),
    [(call, 1), (whole_pass, 3), ("fallback", 11)],
    ids=["a call", "a pass", "a fallback"],
)
def test_each_frame_is_taken_in_once_wherever_a_handlers_exception_strikes(
    how: Any, every: int
) -> None:
    work = whole_pass if how == "fallback" else how
    for place in range(1, 1 << 20, 1 if "FARSIDE_EVERY_PLACE" in os.environ else every):
        client, link = scripted.client(fallback="subprocess", forward_logs=False)
        other = scripted.ScriptedWorker(ready())
        obliging = Obliging(link, refuses=how == "fallback")
        Obliging(other.link)
        with launching(other), warnings.catch_warnings():
            warnings.simplefilter("ignore", BackendFallbackWarning)
            struck = strike_at(place, partial(work, client), signal.SIGUSR1)
            check_next(client, obliging, called=how is call)
        client.abandon()
        other.link.close()
        if not struck.reached:
            break
        assert struck.raised


def check_next(client: Client, obliging: Obliging, *, called: bool) -> None:
    """Check, in another thread, that whoever comes next gets what is theirs."""
    try:
        if called:
            assert Background(call, client).result() == obliging.calls
        assert Background(whole_pass, client).result() == [client.core.epoch]
    except FarsideError:
        failure = client.core.failure
        assert failure is not None
        assert failure.cause == BROKEN
        assert "signal handler" in failure.detail


def test_what_strikes_between_two_events_lets_the_next_ones_happen() -> None:
    number, went_on = 0, True
    while went_on:
        client, _ = scripted.client()
        seen: list[int] = []

        def step(core: object, client: Client = client, seen: list[int] = seen) -> None:
            for value in (2, 3):
                client.post(noting(seen, value))
            seen.append(1)

        went_on = struck(number, partial(client.step, step), steps)
        client.step(noting(seen, 4))
        assert seen == [1, 2, 3, 4]
        number += 1


def _loop(client: Client) -> None:
    assert list(iterate(client)) == [1, 2]


def test_what_strikes_between_two_blocks_of_a_loop_ends_its_pass() -> None:
    number, went_on = 0, True
    while went_on:
        client, link = scripted.client(timeout=60)
        link.then(started(1), items(1, 1))
        link.then(items(1, 2))
        link.then(finished(1))
        went_on = struck(number, partial(_loop, client), results, wait)
        assert not client.core.opened
        assert client.core.deadline is None
        number += 1
    assert number > 2 or sys.version_info < (3, 12)


def test_what_strikes_as_a_pass_begins_leaves_the_one_before_as_it_was() -> None:
    with alarming():
        for place in count(1):
            client, _ = scripted.client(started(1), items(1, 1, 2, 3), finished(1))
            loop = iterate(client)
            taken = [next(loop)]
            struck = strike_at(place, partial(enter_iteration_mode, client), signal.SIGUSR1, Alarm)
            if client.core.epoch == 1:
                assert client.sequence.state(1, 0)["begun"] == [[0, 1]]
                assert [*taken, *loop] == [1, 2, 3]
                assert collect(client).items == 3
            else:
                with pytest.raises(PassSupersededError):
                    taken.extend(loop)
                assert taken == [1, 2, 3][: len(taken)]
                assert collect(client).items == len(taken)
            if not struck.reached:
                break
