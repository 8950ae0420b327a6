"""User code that runs in the parent as an exception of the worker is unpickled: nobody waits."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from farside import IterableClosedError
from farside.testing.checks import take
from tests.background import Background
from tests.faults import arriving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind


@pytest.fixture(autouse=True)
def _no_more_arrive() -> Iterator[None]:
    yield
    arriving.on_arrival.clear()


def test_ctrl_c_is_heard_at_once(kind: Kind) -> None:
    late: list[bool] = []

    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        late.append(True)

    with kind.start(arriving.fails) as items:
        arriving.on_arrival.append(work)
        with pytest.raises(KeyboardInterrupt):
            list(items)
    assert not late


def test_other_threads_go_on(kind: Kind) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(20)

    with kind.start(arriving.fails) as items:
        arriving.on_arrival.append(work)
        failing = Background(take, items)
        assert begun.wait(20)
        try:
            with pytest.raises(IterableClosedError):
                Background(items.dump_stack).result()
            assert items.state == "closed"
        finally:
            go_on.set()
        got, error = failing.result()
    assert got == [0]
    assert isinstance(error, arriving.SlowError)
