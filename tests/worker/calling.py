"""What tasks make, one after the other, without a worker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from farside._worker.loops import LEFT, OVER, make_results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._worker.tasks import Tasks


def go_on(tasks: Tasks, made: int = 0) -> Iterator[Any]:
    """Go on with a pass of which so many items were made."""
    return _results(tasks, made) if tasks.calls else tasks.items_left()


def _results(tasks: Any, made: int) -> Iterator[Any]:
    """Yield what `make_results` makes; each when it is asked for."""
    entries: list[Any] = []

    def look_up(made: int) -> int:
        maker.made = made
        return 0 if entries else made + 1

    def fail(error: BaseException, _: object) -> NoReturn:
        raise error

    rows = SimpleNamespace(kind=None, add=None)
    outbox = SimpleNamespace(entries=entries, copies={}, rows=rows, put=entries.append, short=9)
    maker: Any = SimpleNamespace(made=made, outbox=outbox, watched=[1], at_end=lambda: OVER)
    maker.look_up, maker.take_failure = look_up, fail
    outcome: Any = LEFT
    while outcome is LEFT:
        outcome = make_results(maker, tasks)
        yield from entries
        entries.clear()
