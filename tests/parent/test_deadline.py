"""Time limits: what counts, and what does not."""

from __future__ import annotations

import select
import threading
import time
import warnings
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from farside import FarsideError, WorkerTimeoutError, map_in_workers
from farside._parent import deadline, received, starting, wait
from farside._parent.client import Client
from farside._parent.deadline import When
from farside._parent.options import check
from farside._parent.results import enter_iteration_mode
from farside._parent.wait import LONGEST_SECONDS
from farside._protocol.recovery import STACK_SECONDS
from tests.background import SECONDS, Background
from tests.parent import scripted
from tests.parent.scripted import started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parent.scripted import ScriptedLink


class Clock:
    """A clock that goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (deadline, received):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


def waiting(seconds: float) -> tuple[Client, ScriptedLink]:
    """Return a client that is about to wait for its first item."""
    client, link = scripted.client(timeout=seconds)
    deadline.begin_to_wait(client, enter_iteration_mode(client))
    return client, link


def wait_once(client: Client, clock: Clock, late: float = 0.0) -> None:
    """Wait as `Waiting` does, in vain."""
    assert client.core.deadline is not None
    clock.now += min(LONGEST_SECONDS, max(0.0, client.core.deadline - clock.now))
    planned = clock.now
    clock.now += late
    deadline.time_passes(client, planned)


def wait_on(client: Client, link: ScriptedLink, clock: Clock, late: float = 0.01) -> float:
    """Wait until the time is up, each time a little late; return how long that took."""
    begin = clock.now
    while ("REPORT_STACK", 1) not in link.told:
        wait_once(client, clock, late)
    return clock.now - begin


@pytest.mark.parametrize("seconds", [0.001, 0.01, 3.0, 60.0])
def test_it_passes_in_time(clock: Clock, seconds: float) -> None:
    assert wait_on(*waiting(seconds), clock) == pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("stopped", [2.0, 600.0])
def test_what_the_process_was_stopped_does_not_count(
    clock: Clock, before: int, stopped: float
) -> None:
    client, link = waiting(4.0)
    for _ in range(before):
        wait_once(client, clock)
    wait_once(client, clock, late=stopped)
    assert link.told == [("START_ITERATION", 1)]
    left = 4.0 - before - 1  # the wait that was stopped has lasted a second before
    assert wait_on(client, link, clock) == pytest.approx(max(left, 0.0), abs=0.05)


@pytest.mark.parametrize("late", [0.1, 600.0])
def test_nor_does_it_where_something_comes_as_it_goes_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    """Another worker of the group, or of the process, goes on first."""
    client, link = waiting(4.0)
    monkeypatch.setattr(wait, "monotonic", clock)

    def come(_client: Client, seconds: float, _members: object) -> bool:
        clock.now += seconds + late
        return True

    monkeypatch.setattr(client.waiting.links, "look", come)
    client.waiting._ask_and_wait(client, When(lambda: False), None)
    counted = LONGEST_SECONDS + (late if late < 0.5 else 0.0)
    assert client.core.deadline == pytest.approx(clock.now + 4.0 - counted)
    assert link.told == [("START_ITERATION", 1)]


def test_it_does_not_pass_in_a_handler_that_strikes_as_frames_are_taken_in(clock: Clock) -> None:
    """The worker may have sent just what was waited for."""
    client, link = waiting(4.0)
    client.taking_in = threading.get_ident()
    clock.now += 5.0
    deadline.time_passes(client, clock.now)
    assert link.told == [("START_ITERATION", 1)]
    client.taking_in = None
    deadline.time_passes(client, clock.now)
    assert ("REPORT_STACK", 1) in link.told


def test_a_frame_begins_it_anew(clock: Clock) -> None:
    client, link = waiting(4.0)
    for _ in range(3):
        wait_once(client, clock)
    link.then(started(1), None)
    client.waiting.links.look(client)
    assert client.core.deadline is None  # until somebody waits again
    clock.now += 100.0
    deadline.begin_to_wait(client, When(lambda: False))
    assert wait_on(client, link, clock) == pytest.approx(4.0, abs=0.05)


def test_it_passes_for_who_leads_alone(clock: Clock) -> None:
    """Another thread may have read what a worker has sent, and not taken it in yet."""
    client, link = waiting(4.0)
    leading, go_on = threading.Event(), threading.Event()

    def lead() -> None:
        with client.waiting._leading:
            leading.set()
            assert go_on.wait(SECONDS)

    other = Background(lead)
    assert leading.wait(SECONDS)
    client.waiting.links.wakeup.clear()
    clock.now += 5.0
    deadline.time_passes(client, clock.now)
    assert link.told == [("START_ITERATION", 1)]
    assert select.select([client.waiting.links.wakeup], [], [], 0)[0]  # it looks around
    go_on.set()
    other.result()
    deadline.time_passes(client, clock.now)
    assert ("REPORT_STACK", 1) in link.told


def test_the_end_of_a_wait_is_noted_also_while_another_thread_steps_the_core(clock: Clock) -> None:
    client, _ = waiting(4.0)
    stepping, go_on = threading.Event(), threading.Event()

    def event(_: object) -> None:
        stepping.set()
        go_on.wait(SECONDS)

    other = Background(client.step, event)
    stepping.wait(SECONDS)
    ending = Background(deadline.end_to_wait, client)
    time.sleep(0.05)
    go_on.set()
    other.result()
    ending.result()
    assert client.core.deadline is None
    clock.now += 100.0  # as long as the loop works on an item
    deadline.begin_to_wait(client, When(lambda: False))
    assert client.core.deadline == clock.now + 4.0


def test_the_end_of_a_wait_in_a_forked_child_takes_no_lock(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of the parent's, which is not there, may have it."""
    client, _ = waiting(4.0)
    deadline.begin_to_wait(client, When(lambda: False))
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with client._lock:
            held.set()
            go_on.wait(SECONDS)

    holding = Background(hold)
    held.wait(SECONDS)
    monkeypatch.setattr(Client, "foreign_to", 1)
    Background(deadline.end_to_wait, client).result()
    Background(deadline.pause, client).result()
    go_on.set()
    holding.result()


def test_it_passes_also_when_the_time_went_by_between_two_waits(clock: Clock) -> None:
    client, link = waiting(4.0)
    clock.now += 5.0
    wait_once(client, clock)
    assert ("REPORT_STACK", 1) in link.told


def test_workers_that_were_stopped_meanwhile_get_their_time_once_more(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-Z stops them with this process; while the loop is at work, nobody sees it."""
    client, link = waiting(4.0)
    stopped = [True]
    worker = scripted.worker_of(client)
    monkeypatch.setattr(worker, "was_stopped", lambda: bool(stopped and stopped.pop()))
    clock.now += 100.0
    wait_once(client, clock)
    assert client.core.deadline == clock.now + 4.0
    assert ("REPORT_STACK", 1) not in link.told
    assert wait_on(client, link, clock) == pytest.approx(4.0, abs=0.05)


def at_an_input(clock: Clock) -> tuple[Client, ScriptedLink]:
    """Return a client whose worker has just begun an input, which may take four seconds."""
    worker = scripted.ScriptedWorker(scripted.ready())
    with scripted.launching(worker):
        options = check(list, backend="scripted")
        client = Client(replace(options, sends_inputs=True, task_timeout=4.0))
        starting.start(client)
    worker.link.task = 1, clock.now
    return client, worker.link


def test_a_loop_that_never_waits_notices_in_time_that_an_input_takes_too_long(clock: Clock) -> None:
    client, link = at_an_input(clock)
    enter_iteration_mode(client)
    for seconds in (1.0, 2.9):
        clock.now += seconds
        deadline.check(client)
        assert ("REPORT_STACK", 1) not in link.told
    clock.now += 0.2
    deadline.check(client)
    assert ("REPORT_STACK", 1) in link.told
    deadline.check(client)
    assert client.next_look == client.core.deadline


def test_a_worker_that_has_gone_on_as_it_tells_where_it_is_is_spared(clock: Clock) -> None:
    """Nobody has looked at which input it runs since its time was up."""
    client, link = at_an_input(clock)
    deadline.begin_to_wait(client, enter_iteration_mode(client))
    assert wait_on(client, link, clock) == pytest.approx(4.0, abs=0.05)
    link.task = 2, clock.now
    link.then(started(1), scripted.report(1), None)
    for _ in range(2):
        client.waiting.links.look(client)
    assert not client.core.closed
    assert client.core.deadline == clock.now + 4.0


def hang_at_three(number: int) -> int:
    time.sleep(1000 if number == 3 else 0)
    return number


@pytest.mark.timeout(60)
@pytest.mark.parametrize("in_order", [True, False])
def test_a_time_limit_holds_for_a_loop_whose_inputs_come_one_after_the_other(
    *, in_order: bool
) -> None:
    def items() -> Iterator[int]:
        for number in count():
            time.sleep(0.02)
            yield number

    with (
        warnings.catch_warnings(),
        map_in_workers(
            hang_at_three, items(), 2,
            in_order=in_order, task_timeout=0.5, on_error="return", backend="subprocess",
        ) as results,
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        failed = next(each for each in results if isinstance(each, FarsideError))
    assert isinstance(failed, WorkerTimeoutError)
    assert "hang_at_three" in str(failed)


def test_a_step_of_a_loop_looks_only_where_a_limit_can_have_passed(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    begun = clock.now

    def tell(_: int) -> tuple[int, float]:
        looked.append(clock.now)
        return 1, begun

    with map_in_workers(abs, range(10), 0, task_timeout=60) as results:
        client = results._current
        monkeypatch.setattr(client.members[0].link, "begun", tell)
        iterator = iter(results)
        looked.clear()
        for _ in range(1000):
            deadline.check(client)
        assert len(looked) <= 1
        clock.now += 59.9
        begun = clock.now  # the next input has begun
        for _ in range(1000):
            deadline.check(client)
        assert len(looked) <= 2
        clock.now += 60.1
        deadline.check(client)
        assert clock.now in looked
        assert client.core.deadline == clock.now + STACK_SECONDS  # it is asked where it is
        del iterator
