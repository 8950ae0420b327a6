"""How items are made, in what no worker is needed for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from farside._system.signals import here
from farside._worker.maker import Maker
from farside._worker.tasks import Tasks


class Clock(Tasks):
    """Tasks that take down when their clock starts and stops."""

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
