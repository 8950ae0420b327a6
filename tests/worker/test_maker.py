"""How items are made, in what no worker is needed for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from farside._protocol.messages import Cmd
from farside._system.signals import here
from farside._worker.listener import Commands
from farside._worker.loops import LEFT, TO_GO_ON
from farside._worker.maker import Maker
from farside._worker.tasks import Tasks


class Clock(Tasks):
    """Tasks that take down when their clock starts and stops."""

    timed = True

    def __init__(self, log: list[Any]) -> None:
        self._log = log

    def run_clock(self, on: bool) -> None:  # noqa: FBT001
        self._log.append(on)


def look_up(made: int, stop: int) -> tuple[int, list[Any]]:
    log: list[Any] = []

    def note(what: str, returned: Any) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            log.append(what)
            return returned

        return call

    maker: Any = object.__new__(Maker)
    maker.tasks = Clock(log)
    maker._pid = here.pid
    maker.is_left = lambda: False
    maker._snapshots = SimpleNamespace(due=float("inf"))
    maker.outbox = SimpleNamespace(
        send_due=note("send", stop), wait_for_credit=note("wait", returned=True)
    )
    maker._last, maker.watched, maker._link = (0, 0.0), None, SimpleNamespace(attention=None)
    return maker.look_up(made), log


def test_no_clock_of_a_task_runs_while_items_are_sent() -> None:
    assert look_up(3, 10) == (10, [False, "send", True])
    assert look_up(3, 3) == (4, [False, "send", "wait", True])


def test_no_clock_of_a_task_runs_while_the_last_answers_are_sent() -> None:
    log: list[Any] = []
    maker: Any = object.__new__(Maker)
    maker.tasks = Clock(log)
    maker.tasks.out_of_tasks = True
    maker.make_items, maker.take_tasks = lambda: TO_GO_ON, lambda: False
    maker.outbox = SimpleNamespace(flush=lambda: log.append("send"))
    assert maker.run() is LEFT
    assert log == [False, "send"]


class Told(Tasks):
    """One iterable, which takes down after how many items of a pass it was asked."""

    first = 100

    def __init__(self) -> None:
        self.log: list[Any] = []

    def to_snapshot(self, made: int) -> tuple[int, int, Any]:
        self.log.append(("state", made))
        return 0, made, None

    def leave(self, made: int = 0) -> None:
        self.log.append(("left", made))


def test_items_that_only_count_as_made_were_not_made_by_the_tasks() -> None:
    taken: list[Any] = []
    maker: Any = object.__new__(Maker)
    maker.tasks, maker._pid, maker.is_left = Told(), here.pid, lambda: False
    maker._snapshots = SimpleNamespace(due=0.0, take=taken.append)
    maker.outbox = SimpleNamespace(send_due=lambda made, **_: made + 1)
    maker._last, maker._link = (0, 0.0), SimpleNamespace(attention=None)
    maker._before = 4
    assert maker.look_up(7) == 8
    assert taken == [(0, 3, None)]
    assert maker._trouble(ValueError()).item == 103
    maker.leave()
    assert maker.tasks.log == [("state", 3), ("left", 3)]


def test_what_finds_no_room_beside_the_items_is_sent_by_the_flusher() -> None:
    room, called = [True, False], list[str]()
    maker: Any = object.__new__(Maker)
    maker._link = SimpleNamespace(send=lambda *_, wait: wait or room.pop())
    maker.outbox = SimpleNamespace(flusher=SimpleNamespace(call=lambda: called.append("flusher")))
    for _ in range(2):
        maker._say("text")
        assert called == ["flusher"]


class Overtaken:
    """A link on which `comes` is called in the middle of taking an alert back."""

    def __init__(self) -> None:
        self.alerted = [0]
        self.comes: Any = lambda: None

    def alert(self, on: bool) -> None:  # noqa: FBT001
        if not on:
            comes, self.comes = self.comes, lambda: None
            comes()
        self.alerted[0] = on

    def revoked(self, epoch: int) -> bool:  # noqa: ARG002
        return False


def test_no_command_is_forgotten_of_two_that_come_as_an_alert_is_taken_back() -> None:
    """The second would have waited until the next one, or for ever."""
    link: Any = Overtaken()
    commands, taken = Commands(link), []
    maker: Any = object.__new__(Maker)
    maker._pid, maker._link, maker._commands = here.pid, link, commands
    maker._machine = SimpleNamespace(epoch=1)

    def come() -> None:
        for kind in (Cmd.GIVE_TASKS, Cmd.ABORT):
            commands.put((kind, 1, b"", ()))

    def take() -> bool:
        command = commands.peek()
        assert command is not None
        if command[0] == Cmd.GIVE_TASKS:
            taken.append(commands.get())
        return command[0] == Cmd.GIVE_TASKS

    maker.take_tasks = take
    link.alert(True)
    link.comes = come
    assert maker.is_left()
    assert len(taken) == 1
