"""The entry point of a process, in a forked child."""

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

from farside._link.frames import Frame
from farside._link.opening import open_link
from farside._link.pipes import PipeLink
from farside._payload.job import Job
from farside._protocol.messages import Cmd, Status
from farside._system.descriptors import Descriptor, inherited, pipe
from farside._worker import listener
from farside._worker.process import main
from farside.errors import LinkClosedError
from tests.background import SECONDS, receive
from tests.children import exit_code, fork
from tests.link.links import ARENA, close_all
from tests.worker.harness import BUDGET, INFO, items_of, make_job, saying

Ends: TypeAlias = Sequence[Descriptor]


class Child:
    """A worker in a forked child."""

    def __init__(self, pid: int, parent: PipeLink) -> None:
        self.pid = pid
        self.parent = parent
        self.frames: deque[Frame] = deque()

    def receive(self) -> Frame:
        if not self.frames:
            assert receive(self.parent, self.frames)
        return self.frames.popleft()

    def one_pass(self, epoch: int = 1) -> list[Any]:
        """Run a pass; return its items."""
        self.parent.send(Cmd.START_ITERATION, epoch)
        assert self.receive().kind == Status.ITERATION_STARTED
        items = []
        while (frame := self.receive()).kind == Status.ITERATOR_SUCCESS:
            items += items_of(frame)
        assert frame.kind == Status.ITERATION_FINISHED
        return items


def numbers(ends: Ends) -> list[Any]:
    return [end.fileno() for end in ends]


@pytest.fixture(autouse=True)
def _much_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each worker end in its own time, however slow the machine is."""
    monkeypatch.setattr(listener, "_GRACE", SECONDS)


@contextmanager
def forked_worker(
    job: Job | None, *, code: int = 0, hand_over: Callable[[Ends], list[Any]] = numbers
) -> Iterator[Child]:
    """Have a worker in a forked child, which must end with a given code."""
    parent, of_link = open_link(ARENA)
    lifeline, held = pipe()
    ends = (*of_link, lifeline)
    with inherited(ends):
        child = Child(fork(lambda: main(hand_over(ends), job)), parent)
    close_all(ends)
    try:
        yield child
    finally:
        parent.close()
        assert exit_code(child.pid) == code
        held.close()


def test_a_job_that_was_handed_over_runs() -> None:
    with forked_worker(make_job(lambda: "ab")) as child:
        assert child.receive() == Frame(Status.INITIALIZATION_SUCCEEDED, 0, b"2")
        assert child.one_pass() == ["a", "b"]


def test_a_job_that_comes_through_the_channel_runs() -> None:
    with forked_worker(None) as child:
        kind, epoch, parts = saying(Job(pickle.dumps((list, (), ())), None, None, BUDGET, INFO))
        child.parent.send(kind, epoch, parts)
        assert child.receive().kind == Status.INITIALIZATION_SUCCEEDED
        assert child.one_pass() == []


class Passed:
    """What multiprocessing makes of a descriptor on its way."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def detach(self) -> int:
        return self._fd


def test_ends_that_multiprocessing_has_passed() -> None:
    def hand_over(ends: Ends) -> list[Any]:
        return [Passed(fd) for fd in numbers(ends)]

    with forked_worker(make_job(lambda: "ab"), hand_over=hand_over) as child:
        assert child.receive().kind == Status.INITIALIZATION_SUCCEEDED
        assert child.one_pass() == ["a", "b"]


def test_the_workers_own_children_do_not_inherit_its_ends() -> None:
    given: list[int] = []

    def hand_over(ends: Ends) -> list[Any]:
        given.extend(numbers(ends))
        for fd in given:
            os.set_inheritable(fd, True)  # as a spawned process gets them
        return given

    job = make_job(lambda: [os.get_inheritable(fd) for fd in given])
    with forked_worker(job, hand_over=hand_over) as child:
        assert child.receive().kind == Status.INITIALIZATION_SUCCEEDED
        assert child.one_pass() == [False] * 5


def test_the_parents_signal_handlers_are_not_the_workers() -> None:
    def ask() -> list[bool]:
        return [
            signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            signal.set_wakeup_fd(-1) == -1,
        ]

    wake, written = os.pipe()
    os.set_blocking(written, False)
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    before = signal.set_wakeup_fd(written)
    try:
        with forked_worker(make_job(ask)) as child:
            assert child.receive().kind == Status.INITIALIZATION_SUCCEEDED
            assert child.one_pass() == [True] * 3
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, handler)
        os.close(wake)
        os.close(written)


def test_ctrl_c_does_not_reach_the_iterable() -> None:
    with forked_worker(make_job(lambda: "ab")) as child:
        assert child.receive().kind == Status.INITIALIZATION_SUCCEEDED
        os.kill(child.pid, signal.SIGINT)
        assert child.one_pass() == ["a", "b"]


@pytest.mark.parametrize("blocked", [set(), {signal.SIGTERM}])
def test_sigterm_ends_the_worker(blocked: set[signal.Signals]) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)  # as a daemon that calls sigwait()
    with forked_worker(make_job(list), code=-signal.SIGTERM) as child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert child.receive().kind == Status.INITIALIZATION_SUCCEEDED
        os.kill(child.pid, signal.SIGTERM)
        with pytest.raises(LinkClosedError):
            child.receive()
