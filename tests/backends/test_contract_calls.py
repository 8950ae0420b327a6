"""What every kind of worker promises of calls, and of its stack, where time and threads matter."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from farside import IterableClosedError, WorkerDiedError, WorkerTimeoutError
from farside._parent import calls
from tests import jobs
from tests.background import Background
from tests.faults import dying
from tests.faults.staging import PATIENCE_S, limit_answers
from tests.kinds import TELLING
from tests.memory.blocks_of import lent
from tests.scripts.acts import Sign

if TYPE_CHECKING:
    from farside import RemoteIterable
    from tests.kinds import Kind

SHELF = partial(jobs.Shelf, 3)
SECONDS = 20.0


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a stack as long as it takes on a busy machine."""
    monkeypatch.setattr(calls, "STACK_SECONDS", SECONDS)


def start(kind: Kind, **options: Any) -> RemoteIterable[int]:
    return kind.start(SHELF, **options)


def await_state(iterable: RemoteIterable[Any], state: str) -> None:
    while iterable.state != state:
        time.sleep(0.001)


def await_stop(pid: int) -> None:
    """Wait until each thread of a process is stopped."""
    states = {""}
    while states != {"T"}:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        states = {stat.rpartition(")")[2].split()[0] for stat in stats}


def test_large_results_lie_in_shared_memory(subprocess_kind: Kind) -> None:
    np = pytest.importorskip("numpy")
    with start(subprocess_kind) as shelf:
        got = shelf.call("echo", np.arange(1_000_000))
        assert (got == np.arange(1_000_000)).all()
        got += 1
        worker: Any = shelf._current.members[0].worker
        assert lent(worker.link.leases) >= got.nbytes
        del got
        assert lent(worker.link.leases) == 0


@pytest.mark.usefixtures("_patient")
def test_a_call_that_takes_too_long(kind: Kind) -> None:
    with start(kind, timeout=0.2, init_timeout=SECONDS) as shelf:
        assert shelf.call("add", 1) == 4
        with pytest.raises(WorkerTimeoutError) as caught:
            shelf.call("spin")
        assert "the call of 'spin' did not return within timeout=0.2 seconds" in str(caught.value)
        assert caught.value.state == "call"
        assert caught.value.worker_stack is not None
        assert "in spin" in str(caught.value) or kind not in TELLING
        assert caught.value.worker_stack in str(caught.value) + "\n"
        with pytest.raises(IterableClosedError):
            shelf.call("add", 1)


def test_closing_ends_a_call_of_another_thread(kind: Kind) -> None:
    with start(kind) as shelf:
        calling = Background(shelf.call, "spin")
        await_state(shelf, "call")
        shelf.close()
        with pytest.raises(IterableClosedError):
            calling.result()


def test_calls_of_several_threads_are_answered_one_by_one(kind: Kind) -> None:
    with start(kind) as shelf:
        calls = [Background(shelf.call, "add", 1) for _ in range(20)]
        assert sorted(call.result() for call in calls) == list(range(4, 24))
        assert len(list(shelf)) == 23


def test_a_pass_that_begins_during_a_call_waits_for_it(kind: Kind, tmp_path: Path) -> None:
    reached, sign = Sign(str(tmp_path / "reached")), Sign(str(tmp_path / "sign"))
    with kind.start(partial(jobs.Shelf, 3)) as shelf:
        calling = Background(shelf.call, "wait", reached, sign)
        reached.wait()
        iterator = iter(shelf)
        sign.give()
        assert list(iterator) == [0, 1, 2, 3]
        assert calling.result() == 4


def test_large_arguments_while_the_worker_is_left_and_in_passes(kind: Kind) -> None:
    with start(kind) as shelf:
        for size in (1 << 16, 1 << 18, 5_000_000):
            next(iter(shelf))
            assert shelf.call("size", bytes(size)) == size
            assert list(shelf) == [0, 1, 2]


@pytest.mark.parametrize("code", [-9, 3])
def test_a_worker_that_dies_in_a_call(subprocess_kind: Kind, code: int) -> None:
    with subprocess_kind.start(partial(dying.Shelf, 3)) as shelf:
        with pytest.raises(WorkerDiedError) as caught:
            shelf.call("die", code)
        assert (caught.value.exit_code, caught.value.state) == (code, "call")


# Stacks -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_patient")
def test_the_stack_of_an_iterable_that_hangs(telling_kind: Kind) -> None:
    with telling_kind.start(jobs.SpinsBusily, timeout=0.2, init_timeout=SECONDS) as items:
        with pytest.raises(WorkerTimeoutError) as caught:
            next(iter(items))
        stack = caught.value.worker_stack
        assert stack is not None
        assert stack.startswith("the thread that runs the iterable:\n")
        assert "in __iter__" in stack
        assert "execute.py" not in stack
        assert stack in str(caught.value) + "\n"


@pytest.mark.usefixtures("_patient")
def test_the_stack_of_an_initialization_that_hangs(telling_kind: Kind, tmp_path: Path) -> None:
    begun = Sign(str(tmp_path / "begun"))
    items: RemoteIterable[Any] = telling_kind.start(partial(jobs.say_and_hang, begun), wait=False)
    begun.wait()  # to start may take longer than is waited for then
    limit_answers(items._current, PATIENCE_S)
    with pytest.raises(WorkerTimeoutError) as caught:
        items.wait_ready()
    assert caught.value.state == "initialization"
    assert "in say_and_hang" in (caught.value.worker_stack or "")


@pytest.mark.usefixtures("_patient")
def test_the_stack_is_told_while_another_thread_waits_for_an_item(telling_kind: Kind) -> None:
    with telling_kind.start(jobs.SpinsBusily) as items:
        iterator = iter(items)
        waiting = Background(next, iterator)
        while "in busy" not in items.dump_stack():
            pass
        assert waiting.thread.is_alive()
        items.close()
        with pytest.raises(IterableClosedError):
            waiting.result()
        with pytest.raises(IterableClosedError):
            items.dump_stack()


def test_a_worker_that_is_stopped_does_not_tell(subprocess_kind: Kind) -> None:
    with start(subprocess_kind, timeout=0.2, init_timeout=SECONDS) as shelf:
        pid = int(shelf._current.members[0].worker.label.removeprefix("pid "))
        os.kill(pid, signal.SIGSTOP)
        await_stop(pid)
        assert "does not tell" in shelf.dump_stack()
        begin = time.monotonic()
        with pytest.raises(WorkerTimeoutError) as caught:
            shelf.call("echo", bytes(3_000_000))  # more than any pipe holds
        assert time.monotonic() - begin < 10
        assert caught.value.worker_stack is None
        assert "does not tell where it was" in str(caught.value)


def test_a_worker_that_holds_its_gil_does_not_tell(subprocess_kind: Kind) -> None:
    with start(subprocess_kind, timeout=0.2, init_timeout=SECONDS) as shelf:
        with pytest.raises(WorkerTimeoutError) as caught:
            shelf.call("hold_the_gil", 60)
        assert caught.value.worker_stack is None
        assert "in C code that holds the GIL" in str(caught.value)


@pytest.mark.usefixtures("_patient")
def test_other_threads_of_the_worker_are_in_the_stack(telling_kind: Kind) -> None:
    with telling_kind.start(jobs.HasThread) as items:
        assert "the thread helper:" in items.dump_stack()
        assert "in wait" in items.dump_stack()
        assert items.call("end")
