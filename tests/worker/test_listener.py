"""The listener: commands are heard while user code runs, and user code that goes on is ended."""

import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from farside._link.frames import Frame
from farside._payload.pickling import dumps, loads
from farside._protocol.messages import Cmd, Status
from farside._worker import listener, threads
from farside._worker.listener import CommandListener, Commands
from farside._worker.maker import Maker
from farside._worker.tasks import Tasks
from farside._worker.threads import raise_in_thread
from farside.errors import LinkClosedError
from tests.background import SECONDS, Background
from tests.faults.interrupting import Alarm, alarming, strike_at
from tests.worker.harness import ObservedLink, Serving, Worker, make_job, running, serving


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the last resort at once, when it is time for it: this process does not end."""
    monkeypatch.setattr(listener, "_GRACE", 0.0)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no orderly end."""
    monkeypatch.setattr(listener, "_PATIENCE", (0.0, 0.0))


class Silent(ObservedLink):
    """A link over which nothing comes."""

    def __init__(self) -> None:
        pass

    def alert(self, on: bool) -> None:  # noqa: FBT001
        pass


class Loop:
    """User code that runs Python code for ever, and swallows what ends it, or not."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.inside = threading.Event()
        self.ended_by: list[type[BaseException]] = []
        self.swallows = 0

    def __iter__(self) -> Iterator[int]:
        self.begun.set()
        while True:
            try:
                self.inside.set()
                while True:
                    pass
            except BaseException as error:
                self.ended_by.append(type(error))
                if len(self.ended_by) > self.swallows:
                    raise
        yield 0

    def patience(self) -> Iterator[float]:
        """Lose patience each time when the loop runs, and not while it swallows."""
        for _ in range(self.swallows + 1):
            assert self.inside.wait(SECONDS)
            self.inside.clear()
            yield 0.0


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(listener, "_PATIENCE", made.patience())
    return made


class Blocked:
    """User code that is blocked in C code, in ``next()``, until the test says so."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Lock()
        self.go_on.acquire()

    def __iter__(self) -> Iterator[int]:
        self.inside.set()
        self.go_on.acquire(timeout=SECONDS)
        yield 0

    def run(self, worker: Worker) -> None:
        worker.start(1)
        assert self.inside.wait(SECONDS)


# What it does to user code --------------------------------------------------------------------


def test_abort_raises_system_exit_in_a_running_loop(loop: Loop) -> None:
    with serving(lambda: loop) as worker:
        worker.start(1)
        assert loop.begun.wait(SECONDS)
        worker.say(Cmd.ABORT)
        worker.expect_end()
    assert loop.ended_by == [SystemExit]


def test_a_parent_that_is_gone_raises_system_exit_in_a_running_loop(loop: Loop) -> None:
    with serving(lambda: loop) as worker:
        worker.start(1)
        assert loop.begun.wait(SECONDS)
    assert loop.ended_by == [SystemExit]


def test_abort_raises_system_exit_in_a_running_initialization(loop: Loop) -> None:
    with running(Serving(make_job(lambda: list(loop)))) as worker:
        assert loop.begun.wait(SECONDS)
        worker.say(Cmd.ABORT)
        failure = worker.expect_failure(Status.INITIALIZATION_FAILED)
    assert (failure.stage, failure.type_name) == ("fn", "SystemExit")


def test_code_that_swallows_system_exit_gets_it_again(loop: Loop) -> None:
    loop.swallows = 2
    with serving(lambda: loop) as worker:
        worker.start(1)
        assert loop.begun.wait(SECONDS)
        worker.say(Cmd.ABORT)
        worker.expect_end()
    assert loop.ended_by == [SystemExit] * 3


def test_an_orderly_end_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(listener, "_PATIENCE", (SECONDS, SECONDS))
    monkeypatch.setattr(threads, "raise_in_thread", lambda *args: raised.append(args))
    with serving(list) as worker:
        worker.say(Cmd.ABORT)
        worker.expect_end()
    assert not raised


class Closed:
    """User code whose ``finally`` block waits for an exception, for some seconds at most."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.inside = threading.Event()
        self.struck = threading.Event()
        self.interrupted: list[bool] = []

    def __iter__(self) -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            self.interrupted.append(True)  # first: from then on it may be struck
            self.inside.set()
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                pass
            self.interrupted.clear()

    def close(self, finalizer_seconds: float, *, stop: bool = True) -> None:
        """Let ABORT come while it is closed by STOP, or SystemExit while there is no credit."""
        job = make_job(lambda: self, buffer_size=1)._replace(finalizer_seconds=finalizer_seconds)
        with running(Serving(job)) as worker:
            worker.expect_ready()
            worker.start(1)
            worker.wait_until_out_of_credit()
            if stop:
                worker.stop(1)
                assert self.inside.wait(SECONDS)
            worker.say(Cmd.ABORT)
            if not stop:
                assert self.struck.wait(SECONDS)
                worker.parent.revoke(1)
            worker._thread.result()

    def patience(self) -> Iterator[float]:
        """Lose patience at once, and then in the block."""
        yield 0.0
        self.struck.set()
        assert self.inside.wait(SECONDS)
        yield 0.0


@pytest.mark.parametrize("stop", [True, False])
def test_a_finally_block_has_a_part_of_the_time_to_close(
    monkeypatch: pytest.MonkeyPatch,
    stop: bool,  # noqa: FBT001
) -> None:
    closed = Closed(0.2)
    monkeypatch.setattr(listener, "_PATIENCE", closed.patience())
    closed.close(2 * SECONDS, stop=stop)
    assert not closed.interrupted


@pytest.mark.usefixtures("_hasty")
def test_a_finally_block_that_takes_too_long_is_interrupted() -> None:
    closed = Closed(SECONDS / 2)
    closed.close(0.02)
    assert closed.interrupted


# The last resort ------------------------------------------------------------------------------


@pytest.mark.usefixtures("_hasty")
def test_the_last_resort_ends_a_worker_whose_parent_is_gone() -> None:
    blocked, ended = Blocked(), threading.Event()
    with serving(lambda: blocked, last_resort=ended.set) as worker:
        blocked.run(worker)
        worker.parent.close()
        assert ended.wait(SECONDS)
        blocked.go_on.release()


@pytest.mark.usefixtures("_hasty")
def test_the_last_resort_waits_until_the_parent_is_gone_after_abort() -> None:
    blocked, ended = Blocked(), threading.Event()
    with serving(lambda: blocked, last_resort=ended.set) as worker:
        blocked.run(worker)
        worker.link.listens.get(timeout=SECONDS)  # for START
        worker.link.listens.get(timeout=SECONDS)  # for ABORT
        worker.say(Cmd.ABORT)
        worker.link.listens.get(timeout=SECONDS)  # for the end, all patience gone
        assert not ended.is_set()
        worker.parent.close()
        assert ended.wait(SECONDS)
        blocked.go_on.release()


def test_the_last_resort_is_not_taken_while_the_parent_of_an_orderly_end_is_there() -> None:
    ended = threading.Event()
    with serving(list, last_resort=ended.set) as worker:
        worker.link.listens.get(timeout=SECONDS)  # for ABORT
        worker.say(Cmd.ABORT)
        worker.expect_end()
        worker.link.listens.get(timeout=SECONDS)  # for the end
        assert not ended.is_set()


def test_frames_after_abort_are_no_reason_for_the_last_resort() -> None:
    ended = threading.Event()
    with serving(list, last_resort=ended.set) as worker:
        worker.link.listens.get(timeout=SECONDS)
        worker.say(Cmd.ABORT)
        worker.link.listens.get(timeout=SECONDS)
        worker.say(Cmd.STOP_ITERATION)
        worker.link.listens.get(timeout=SECONDS)
        assert not ended.is_set()


# What it hears --------------------------------------------------------------------------------


def test_what_came_with_the_job_is_heard_first() -> None:
    link = Silent()  # ABORT comes before anything is read
    frames = deque([Frame(3, 1, b""), Frame(77, 2, b"body"), Frame(Cmd.ABORT, 2, b"")])
    listening = CommandListener(link, frames, None)
    listening.iteration.done()
    listening.finalization.done()
    listening.start()
    listening._thread.join(SECONDS)
    assert drain(listening.commands) == [(3, 1), (77, 2), (Cmd.ABORT, 2)]


def test_what_a_command_carries_is_not_kept() -> None:
    """It may be large, and the next command may come hours later."""

    class Body(bytearray):
        pass

    class Ending(Silent):
        def receive(self, into: deque[Frame]) -> None:  # noqa: ARG002
            listening.commands.get()
            left.append(kept())
            raise LinkClosedError("the parent is gone")

    left: list[Body | None] = []
    body = Body()
    kept = weakref.ref(body)
    frames = deque([Frame(Cmd.GIVE_TASKS, 1, body)])
    del body
    listening = CommandListener(Ending(), frames, None)
    assert listening._listen()
    assert left == [None]


def test_tasks_that_nobody_has_taken_are_given_back() -> None:
    commands = Commands(Silent())
    body = b"".join(dumps([(4, 0, True, ["a", "b"]), (7, 0, True, ["c"])]))
    commands.put((Cmd.GIVE_TASKS, 1, body, ()))
    commands.put((Cmd.STOP_ITERATION, 1, b"", ()))
    commands.put(None)
    assert not commands.empty()  # so who runs tasks is about to take one, and must find it
    assert commands.take_back() == [4, 5, 7]
    assert commands.take_back() == []
    command = commands.peek()
    assert command is not None
    assert loads(*command[2:]) == ()
    assert drain(commands) == [(Cmd.GIVE_TASKS, 1), (Cmd.STOP_ITERATION, 1), None]


def test_no_task_is_given_back_that_came_before_one_that_is_taken() -> None:
    """Its result could pass for that of the other, which the parent had not got back yet."""
    commands, count = Commands(Silent()), 5000
    for number in range(count):
        body = b"".join(dumps([(number, 0, True, ["a"])]))
        commands.put((Cmd.GIVE_TASKS, 1, body, ()))
    taken: list[int] = []
    begun = threading.Event()

    def take() -> None:
        while (command := commands.take()) is not None:
            taken.extend(task[0] for task in loads(command[2]))
            begun.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        taking = Background(take)
        assert begun.wait(SECONDS)
        returned = commands.take_back()
        commands.put(None)
        taking.result()
    finally:
        sys.setswitchinterval(interval)
    assert [*taken, *returned] == [*range(count)]


def test_no_tasks_are_given_back_while_others_are_on_the_way_to_where_they_wait() -> None:
    class Waiting(Tasks):
        def take_back(self) -> list[Any]:
            return [(4, 0, True, ["a"])]

    commands = Commands(Silent())
    commands.tasks = Waiting()
    commands.put((Cmd.GIVE_TASKS, 1, b"".join(dumps([(6, 0, True, ["c"])])), ()))
    with commands.taking:  # the one of number 5
        assert commands.take_back() == []
    assert commands.take_back() == [4, 6]


def test_nobody_takes_a_command_while_tasks_are_given_back() -> None:
    taking: Any = None

    class Slow(Tasks):
        def take_back(self) -> list[Any]:
            nonlocal taking
            taking = Background(commands.take)
            taking.thread.join(0.05)
            assert taking.thread.is_alive()
            return []

    commands = Commands(Silent())
    commands.tasks = Slow()
    commands.put((Cmd.STOP_ITERATION, 1, b"", ()))
    assert commands.take_back() == []
    assert taking.result()[0] == Cmd.STOP_ITERATION


def test_tasks_are_on_the_way_until_they_wait() -> None:
    commands, seen = Commands(Silent()), list[bool]()

    class Watching(Tasks):
        def add(self, tasks: Any) -> None:  # noqa: ARG002
            seen.append(commands.taking.locked())

    machine = SimpleNamespace(command=lambda *_: None)
    maker: Any = SimpleNamespace(_commands=commands, _machine=machine, tasks=Watching())
    maker._take_tasks = partial(Maker._take_tasks, maker)
    commands.put((Cmd.GIVE_TASKS, 1, b"".join(dumps([])), ()))
    assert Maker.take_tasks(maker)
    assert seen == [True]
    assert not commands.taking.locked()


def test_nothing_is_heard_after_abort() -> None:
    frames = deque([Frame(Cmd.ABORT, 0, b""), Frame(Cmd.STOP_ITERATION, 0, b"")])
    listening = CommandListener(Silent(), frames, None)
    listening.iteration.done()
    listening.finalization.done()
    listening.start()
    listening._thread.join(SECONDS)
    assert drain(listening.commands) == [(Cmd.ABORT, 0)]


def drain(commands: Commands) -> list[tuple[int, int] | None]:
    heard = []
    while not commands.empty():
        command = commands.get()
        heard.append(None if command is None else command[:2])
    return heard


# Raising in another thread --------------------------------------------------------------------


def test_an_exception_is_raised_in_another_thread() -> None:
    inside = threading.Event()

    def loop() -> None:
        inside.set()
        while True:
            pass

    background = Background(loop)
    assert inside.wait(SECONDS)
    assert background.thread.ident is not None
    raise_in_thread(background.thread.ident, LookupError)
    with pytest.raises(LookupError):
        background.result()


def test_raising_in_a_thread_that_is_gone_does_nothing() -> None:
    ended = Background(int)
    ended.result()
    assert ended.thread.ident is not None
    raise_in_thread(ended.thread.ident, LookupError)


def test_a_listener_without_memory_ends_the_worker(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(Silent):
        def receive(self, into: deque[Frame]) -> None:  # noqa: ARG002
            raise MemoryError("no room for a large input")

    hears = CommandListener(Full(), deque(), None)
    assert hears._listen()  # the end, as if the parent were gone
    assert hears.commands.get() is None
    assert "MemoryError: no room for a large input" in capsys.readouterr().err


def test_the_last_resort_waits_for_no_parent_that_cannot_be_heard() -> None:
    class Full(Silent):
        heard = 0

        def receive(self, into: deque[Frame]) -> None:  # noqa: ARG002
            self.heard += 1
            raise MemoryError

    link, ended = Full(), threading.Event()
    hears = CommandListener(link, deque(), ended.set)
    hears.iteration.done()
    hears.finalization.done()
    hears._run()
    assert ended.is_set()
    assert link.heard == 1


def test_a_command_that_comes_as_the_attention_is_lowered_is_not_overlooked() -> None:
    class Lowered(Silent):
        def alert(self, on: bool) -> None:  # noqa: FBT001
            if not on:
                commands.put((Cmd.STOP_ITERATION, 1, b"", ()))

    commands = Commands(Lowered())
    assert not commands.empty()


def test_that_stacks_cannot_be_told_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError("no room")

    sent: list[tuple[int, Any]] = []

    class Sends(Silent):
        def send(self, kind: int, epoch: int, parts: Any = (), **_: Any) -> bool:  # noqa: ARG002
            sent.append((kind, loads(b"".join(parts), ())))
            return True

    monkeypatch.setattr(listener, "report", fail)
    Commands(Sends()).hear(Cmd.REPORT_STACK, 0, b"")
    text = "the stacks cannot be told (MemoryError: no room)"
    assert sent == [(Status.STACK_REPORTED, [(text, [])])]


def test_no_command_is_lost_where_a_signal_handler_raises_as_somebody_looks_for_it() -> None:
    commands, places = Commands(Silent()), 0
    command = int(Cmd.START_ITERATION), 1, b"", ()
    with alarming():
        while True:
            commands.put(command)
            struck = strike_at(places + 1, commands.peek, signal.SIGUSR1, Alarm)
            assert commands.take() == command
            if not struck.raised:
                break
            places += 1
    assert places
