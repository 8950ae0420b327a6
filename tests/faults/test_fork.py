"""Forks of the parent, and workers of workers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
import traceback
from functools import partial
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BackendUnavailableError,
    IterableClosedError,
    WorkerExecutor,
    iterate_in_subprocess,
    map_in_workers,
)
from farside._link.control import ACKNOWLEDGED, total_of
from farside._protocol.effects import BROKEN
from farside._worker.passing import TELL_SECONDS
from farside.testing.checks import take
from tests import jobs
from tests.faults.nesting import Nests
from tests.kinds import KINDS, SUBPROCESSES, Kind
from tests.mapping_jobs import ForksAt
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from farside.options import StartMethod
    from tests.loops import Loop

SHUTDOWN_S = 20
PROMPT_S = 10
"""Less than `SHUTDOWN_S`, which a worker gets to end by itself before it is killed."""

SECONDS = 20
"""After which a forked child that hangs is ended."""

SPAWN, FORKSERVER, FORK = SUBPROCESSES


def in_forked_child(check: Callable[[], None]) -> None:
    """Call it in a forked child, and fail if it fails there."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with open(write, "w") as report:
            try:
                check()
            except BaseException:  # whatever it is, it is the parent's
                report.write(traceback.format_exc())
        os._exit(0)
    os.close(write)
    with open(read) as report:
        problem = report.read()
    _, status = os.waitpid(child, 0)
    assert (status, problem) == (0, "")


def test_a_forked_child_is_told_whose_iterable_it_is(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(jobs.Endless) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        parent = os.getpid()

        def check() -> None:
            message = f"belongs to process {parent}, of which this process is a forked child"
            with pytest.raises(IterableClosedError, match=message):
                iter(numbers)
            with pytest.raises(IterableClosedError, match=message):
                for _ in iterator:  # what had arrived before the fork is there
                    pass
            assert "RemoteIterable" in repr(numbers)

        in_forked_child(check)
        assert [next(iterator) for _ in range(1000)] == list(range(1, 1001))
        assert next(iter(numbers)) == 0


def test_what_a_forked_child_takes_is_not_acknowledged(subprocess_kind: Kind) -> None:
    """The worker waited for ever if it read that, and the loop had acknowledged more before."""
    with subprocess_kind.start(jobs.Endless, buffer_size=2) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        [member] = numbers._current.members

        def check() -> None:
            member.acknowledge(1, 1 << 20)

        in_forked_child(check)
        assert total_of(member.link._control[ACKNOWLEDGED], 1) == 1
        assert [next(iterator) for _ in range(1000)] == list(range(1, 1001))


class Forks:
    """Has children that come back to farside: their ends are not those of the worker."""

    def __iter__(self) -> Iterator[int]:
        for number in range(6):
            if number % 2 and not os.fork():
                sys.exit(number)
            yield number


def test_a_forked_child_of_the_worker_speaks_for_itself(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(Forks) as numbers:
        for _ in range(2):
            assert list(numbers) == list(range(6))


@pytest.mark.parametrize("steps", [0, 1000], ids=["quick", "slow"])
def test_no_input_of_a_map_is_run_by_a_forked_child(
    subprocess_kind: Kind, tmp_path: Path, capfd: pytest.CaptureFixture[str], steps: int
) -> None:
    path = tmp_path / "what the child ran"
    function = ForksAt(10_000, str(path), steps)
    options: dict[str, Any] = {"backend": subprocess_kind.backend, **subprocess_kind.options}
    with map_in_workers(function, range(20_000), 2, **options) as results:
        assert list(results) == [*range(20_000)]
    assert not path.exists()
    assert "released" not in capfd.readouterr().err, "it says what a child cannot do, as elsewhere"


class ForksElsewhere:
    """Has such children in ``__init__``, ``__iter__`` and a method."""

    def __init__(self) -> None:
        self.fork()

    def fork(self) -> str:
        if not os.fork():
            raise SystemExit
        return "parent"

    def __iter__(self) -> Iterator[int]:
        self.fork()
        return iter(range(3))


def test_so_it_does_wherever_it_was_forked(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(ForksElsewhere) as numbers:
        for _ in range(2):
            assert list(numbers) == [0, 1, 2]
            assert numbers.call("fork") == "parent"


class GoesOn:
    """Has children that go on as if each were the worker, in an iteration and in a method."""

    def __iter__(self) -> Iterator[int]:
        for number in range(3000):
            if number == 1500:
                self.fork()
            yield number

    def fork(self) -> str:
        child = os.fork()
        if child:  # what the child would send is sent before the worker goes on
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 1
        return "parent"


def test_a_forked_child_of_the_worker_that_goes_on_is_ended(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(GoesOn, timeout=SECONDS) as numbers:
        for _ in range(2):
            assert list(numbers) == list(range(3000))
            assert numbers.call("fork") == "parent"


class ForksOnTheWay:
    """Has such a child, which takes its time, and writes down which items it makes."""

    def __init__(self, path: str = "") -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        is_child = False
        for number in range(10):
            if is_child:
                time.sleep(2 * TELL_SECONDS)
                with open(self.path, "a") as file:
                    file.write(f"{number} ")
            elif self.path and number == 1:
                child = os.fork()
                is_child = not child
                if child:
                    os.waitpid(child, 0)
            yield number


def test_a_forked_child_of_the_worker_does_not_go_on_with_items_that_are_made_again(
    subprocess_kind: Kind, tmp_path: Path
) -> None:
    with subprocess_kind.start(ForksOnTheWay) as numbers:
        assert [*islice(numbers, 8)] == list(range(8))
        state = numbers.state_dict()
    path = tmp_path / "what the child made"
    again = partial(ForksOnTheWay, str(path))
    with subprocess_kind.start(again, timeout=SECONDS) as numbers:
        numbers.load_state_dict(state, strict=False)
        assert list(numbers) == [8, 9]
    # It ends as it would tell the parent: sooner, if the fork has taken as long as an item of it.
    assert not path.exists() or path.read_text() == "2 "


class GoesOnLater:
    """Has a child that makes another large item when the worker has sent its own."""

    def __iter__(self) -> Iterator[memoryview]:
        child = os.fork()
        if not child:
            time.sleep(0.2)
        yield memoryview(bytes([bool(child)]) * 100_000)
        os.waitpid(child, 0)
        yield memoryview(b"")


def test_a_forked_child_of_the_worker_writes_to_no_item(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(GoesOnLater, timeout=SECONDS) as items:
        first, _ = items
        assert set(first) == {1}


def test_a_fork_while_another_thread_is_at_it(subprocess_kind: Kind) -> None:
    """The locks that it has are held for ever in the child."""
    with subprocess_kind.start(jobs.Endless, buffer_size=1) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        client = numbers._current

        def check() -> None:
            signal.alarm(SECONDS)
            attempts: list[Callable[[], object]] = [
                partial(list, iterator),
                partial(iter, numbers),
                partial(numbers.call, "__len__"),
                numbers.dump_stack,
                numbers.wait_ready,
                lambda: asyncio.run(numbers.ready()),
            ]
            for attempt in attempts:
                with pytest.raises(IterableClosedError, match="belongs to process"):
                    attempt()
            client.give_up(client.members[0], BROKEN, "found in the child")
            numbers.close()

        def be_at_it() -> None:
            with client._lock, client.waiting._leading:
                begun.set()
                done.wait()

        begun, done = threading.Event(), threading.Event()
        thread = threading.Thread(target=be_at_it)
        thread.start()
        begun.wait()
        try:
            in_forked_child(check)
        finally:
            done.set()
            thread.join()
        assert next(iterator) == 1


def test_closing_in_a_forked_child_does_not_touch_the_worker(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(jobs.Numbers, 1000)) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0

        def check() -> None:
            iterator.close()
            numbers.close()
            numbers.terminate()

        in_forked_child(check)
        assert list(iterator) == list(range(1, 1000))
        assert list(numbers) == list(range(1000))


def test_a_block_that_a_forked_child_leaves_raises_what_was_raised_in_it(
    subprocess_kind: Kind, loop: Loop
) -> None:
    parent = os.getpid()

    async def leave_both() -> None:
        async with subprocess_kind.start(partial(jobs.Numbers, 3), wait=False) as numbers:
            async with WorkerExecutor(1, backend="subprocess", **subprocess_kind.options) as calls:
                assert calls.submit(abs, -1).result() == 1
                child = os.fork()
                if not child:
                    raise KeyError
                _, status = await loop.in_thread(partial(os.waitpid, child, 0))
                assert os.waitstatus_to_exitcode(status) == 7
                assert calls.submit(abs, -2).result() == 2
            assert [number async for number in numbers] == [0, 1, 2]

    async def main() -> None:
        try:
            await leave_both()
        except BaseException as error:
            if os.getpid() == parent:
                raise
            os._exit(7 if type(error) is KeyError else 1)

    loop.run(main)


def test_collecting_in_a_forked_child_does_not_touch_the_worker(subprocess_kind: Kind) -> None:
    numbers = subprocess_kind.start(partial(jobs.Numbers, 1000))
    iterator = iter(numbers)
    assert next(iterator) == 0

    def check() -> None:
        nonlocal numbers, iterator
        del numbers, iterator
        gc.collect()

    in_forked_child(check)
    assert list(iterator) == list(range(1, 1000))
    assert list(numbers) == list(range(1000))
    numbers.close()


@pytest.mark.parametrize("method", ["spawn", "fork", None])
def test_a_forked_child_has_workers_of_its_own(method: StartMethod | None) -> None:
    with SPAWN.start(partial(jobs.Numbers, 1000)) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0

        def check() -> None:
            with iterate_in_subprocess(jobs.Tellers, mp_context=method) as own:
                [(pid, _)] = own
                assert pid != os.getpid()

        in_forked_child(check)
        assert list(iterator) == list(range(1, 1000))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("method", ["spawn", "fork", None])
def test_a_fork_while_another_thread_starts_a_worker(method: StartMethod | None) -> None:
    begun, over = threading.Event(), threading.Event()
    server: Any = forkserver._forkserver
    tracker: Any = resource_tracker._resource_tracker

    def start() -> None:
        with server._lock, tracker._lock:
            begun.set()
            over.wait(SECONDS)

    thread = threading.Thread(target=start)
    thread.start()
    begun.wait()

    def check() -> None:
        signal.alarm(SECONDS)
        with iterate_in_subprocess(partial(range, 3), mp_context=method) as numbers:
            assert list(numbers) == [0, 1, 2]

    try:
        in_forked_child(check)
    finally:
        over.set()
        thread.join()


def test_a_forked_child_of_a_parent_that_has_a_fork_server_has_workers() -> None:
    with FORKSERVER.start(jobs.Tellers) as tellers:

        def check() -> None:
            with iterate_in_subprocess(jobs.Tellers) as own:
                [(pid, _)] = own
                assert pid != os.getpid()

        in_forked_child(check)
        assert len(list(tellers)) == 1


def test_a_forked_child_cannot_use_the_fork_server_of_its_parent() -> None:
    with FORKSERVER.start(jobs.Tellers) as tellers:

        def check() -> None:
            with pytest.raises(BackendUnavailableError, match="use mp_context='spawn'"):
                FORKSERVER.start(jobs.Tellers)

        in_forked_child(check)
        assert len(list(tellers)) == 1


CHILD_EXITS = """\
import os, sys

if __name__ == "__main__":
    from functools import partial
    from tests.jobs import Numbers
    from tests.scripts.starting import start

    numbers = start(partial(Numbers, 1000), daemon=sys.argv[1] == "daemon")
    iterator = iter(numbers)
    next(iterator)
    child = os.fork()
    if not child:
        sys.exit(5)  # in an orderly way: what is registered at exit is called
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status))
    print(list(iterator) == list(range(1, 1000)), list(numbers) == list(range(1000)))
"""


@pytest.mark.parametrize("daemon", ["daemon", "no daemon"])
def test_the_exit_of_a_forked_child_does_not_touch_the_worker(
    tmp_path: Path, subprocess_kind: Kind, daemon: str
) -> None:
    done = run_script(tmp_path, CHILD_EXITS, daemon, kind=subprocess_kind)
    assert done == (0, "5\nTrue True\n", "")


def test_workers_that_are_forked_one_after_the_other(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(jobs.Numbers, 1000)) as first:
        iterator = iter(first)
        assert next(iterator) == 0
        with FORK.start(partial(jobs.Numbers, 10)) as second:
            assert list(second) == list(range(10))
            assert next(iterator) == 1
            first.close()
            assert list(second) == list(range(10))


def test_fork_is_refused_while_a_subinterpreter_lives(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 10)) as numbers:
        if kind.is_process:
            with FORK.start(jobs.Tellers) as tellers:
                assert len(list(tellers)) == 1
        else:
            with pytest.raises(BackendUnavailableError, match="subinterpreter lives") as caught:
                FORK.start(jobs.Tellers)
            assert "use mp_context='forkserver' or 'spawn'" in str(caught.value)
        assert list(numbers) == list(range(10))
    with FORK.start(jobs.Tellers) as tellers:
        assert len(list(tellers)) == 1


REFUSED = {
    ("fork", "forkserver"),  # the one of its parent answers only to that
    ("subinterpreter", "fork"),  # Python forbids it
    ("subinterpreter", "subinterpreter"),  # it has no daemon threads, which hosts have to be
}


@pytest.mark.parametrize("inner", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("keep", [False, True], ids=["closed", "kept"])
def test_a_worker_of_a_worker(kind: Kind, inner: Kind, keep: bool) -> None:  # noqa: FBT001
    options: dict[str, Any] = {"backend": inner.backend, "fallback": None, **inner.options}
    fn: Any = partial(Nests, options, keep=keep)
    nested = kind.start(fn, shutdown_timeout=SHUTDOWN_S)
    got, error = take(nested)
    begin = time.monotonic()
    nested.close()
    assert time.monotonic() - begin < PROMPT_S
    if (kind.name, inner.name) in REFUSED:
        assert isinstance(error, BackendUnavailableError)
    else:
        assert error is None
        middle, (innermost, _) = got
        assert (middle == os.getpid()) is not kind.is_process
        assert (innermost == middle) is not inner.is_process


def test_a_worker_of_a_worker_by_default(kind: Kind) -> None:
    with kind.start(partial(Nests, {})) as nested:
        assert len(list(nested)) == 2
