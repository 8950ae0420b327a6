"""What workers that are subinterpreters promise, and no others."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import IterableClosedError, WorkerAbandonedWarning, WorkerDiedError
from farside._backends import interpreters, live_workers
from tests import jobs
from tests.children import run_python
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind


def test_a_worker_that_sleeps_is_left_behind_with_a_warning(subinterpreter_kind: Kind) -> None:
    receive, send = os.pipe()
    numbers = subinterpreter_kind.start(partial(tell_and_sleep, send, 1.5), shutdown_timeout=0.2)
    iterator = iter(numbers)
    os.read(receive, 1)
    os.close(receive)
    os.close(send)
    with pytest.warns(WorkerAbandonedWarning, match=r"within shutdown_timeout=0.2 s") as caught:
        numbers.close()
    assert caught[0].filename == __file__
    assert numbers.state == "closed"
    [worker] = live_workers._live.values()  # until the sleep is over: the leak guard waits for that
    assert worker.label.startswith("interpreter ")
    del iterator


def start_thread(seconds: float) -> Iterator[int]:
    threading.Thread(target=time.sleep, args=(seconds,)).start()
    yield 0


def test_the_warning_names_threads_that_still_run(subinterpreter_kind: Kind) -> None:
    numbers = subinterpreter_kind.start(partial(start_thread, 1.5), shutdown_timeout=0.2)
    assert list(numbers) == [0]
    with pytest.warns(WorkerAbandonedWarning, match="a thread that it has started still runs"):
        numbers.close()


def tell_and_sleep(fd: int, seconds: float) -> Iterator[int]:
    os.write(fd, b"in the worker, about to sleep")
    time.sleep(seconds)
    yield 0


def test_no_force_is_known(subinterpreter_kind: Kind) -> None:
    with subinterpreter_kind.start(list):
        [worker] = live_workers._live.values()
        assert not worker.terminate()
        assert not worker.kill()


def test_an_interpreter_that_cannot_be_made(
    subinterpreter_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        def create(self) -> None:
            raise MemoryError("no room")

        def list_all(self) -> list[Any]:
            return []

    monkeypatch.setattr(interpreters, "module", Nothing)
    with pytest.raises(WorkerDiedError, match="interpreter failed: MemoryError: no room"):
        subinterpreter_kind.start(list)


def test_a_bootstrap_that_fails_is_told(
    subinterpreter_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farside._backends import subinterpreter

    monkeypatch.setattr(subinterpreter, "_RUN", "raise LookupError('no farside here')")
    with pytest.raises(WorkerDiedError, match="no farside here"):
        subinterpreter_kind.start(list)


def test_sigpipe_is_held_where_it_would_kill(
    subinterpreter_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with subinterpreter_kind.start(partial(jobs.Blocks, 5, 1_000_000)) as blocks:
            assert len(next(iter(blocks))) == 1_000_000
    finally:
        signal.signal(signal.SIGPIPE, before)


SIGPIPE_SCRIPT = """
import gc, signal, sys, time
from functools import partial
from itertools import repeat
from farside import iterate_in_subinterpreter

how = sys.argv[1]
for _ in range(5):
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    items = iterate_in_subinterpreter(partial(repeat, b"x" * 5000), buffer_size=-1)
    iterator = iter(items)
    next(iterator)
    time.sleep(0.02)  # by then its pipe is full
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if how == "closed":
        items.close()
    worker = items._current.members[0].worker
    del iterator, items
    gc.collect()
    worker._host.join()
print("survived")
"""


@pytest.mark.usefixtures("subinterpreter_kind")
@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_sigpipe_does_not_kill_where_its_default_is_restored_after_the_start(how: str) -> None:
    assert run_python(SIGPIPE_SCRIPT, how) == "survived\n"


POOLS: list[ThreadPoolExecutor] = []


def threads() -> Iterator[str]:
    pool = ThreadPoolExecutor(2)
    POOLS.append(pool)
    yield from pool.map(str, range(3))  # and it is left open, with idle threads


def test_threads_of_the_user(subinterpreter_kind: Kind) -> None:
    with subinterpreter_kind.start(threads) as texts:
        assert list(texts) == ["0", "1", "2"]


def register_end(fd: int) -> list[int]:
    threading._register_atexit(os.write, fd, b".")  # type: ignore[attr-defined]
    return [1]


def test_what_ends_thread_pools_is_called_once(subinterpreter_kind: Kind) -> None:
    receive, send = os.pipe()
    with subinterpreter_kind.start(partial(register_end, send)) as numbers:
        assert list(numbers) == [1]
    os.close(send)
    assert os.read(receive, 9) == b"."
    os.close(receive)


def test_many_at_once(subinterpreter_kind: Kind) -> None:
    started: list[Any] = []

    def start(count: int) -> None:
        started.append((count, subinterpreter_kind.start(partial(range, count))))

    starters = [threading.Thread(target=start, args=(n,)) for n in range(8)]
    for thread in starters:
        thread.start()
    for thread in starters:
        thread.join()
    assert len(started) == 8
    for count, numbers in started:
        assert list(numbers) == list(range(count))
        numbers.close()


def test_this_suite_runs_on_the_right_pythons() -> None:
    assert interpreters.availability().usable is HAS_SUBINTERPRETERS


def test_closing_wakes_a_thread_that_waits_for_a_worker_that_cannot_be_ended(
    subinterpreter_kind: Kind,
) -> None:
    receive, send = os.pipe()
    numbers = subinterpreter_kind.start(partial(tell_and_sleep, send, 3), shutdown_timeout=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, iter(numbers))
        os.read(receive, 1)
        with pytest.warns(WorkerAbandonedWarning):
            numbers.close()
        with pytest.raises(IterableClosedError):
            first.result(0)
    os.close(receive)
    os.close(send)


STARTED_AS_PYTHON_EXITS = """
import threading, time
from functools import partial
from farside import iterate_in_subinterpreter
from farside._backends import live_workers

started, track = threading.Event(), live_workers.track

def track_late(worker):
    started.set()
    while not live_workers._exiting:
        time.sleep(0.001)
    time.sleep(0.2)
    track(worker)

def work():
    with iterate_in_subinterpreter(partial(range, 3)) as numbers:
        list(numbers)

live_workers.track = track_late
threading.Thread(target=work, daemon=True).start()
started.wait()
print("exits")
"""


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="there are none")
def test_python_waits_as_it_exits_for_one_that_a_daemon_thread_has_just_started() -> None:
    """Nobody knew it, and Python crashed in most cases."""
    assert run_python(STARTED_AS_PYTHON_EXITS) == "exits\n"
