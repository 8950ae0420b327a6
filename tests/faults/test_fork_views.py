"""What a forked child has of the shared memory stays as it was at the fork."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import farside
from tests.children import exit_code, fork, run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.kinds import Kind

COUNT = 8
LENGTH = 5000
"""Numbers in an array: 40 kB, which go through the shared memory."""


class Counted:
    """Arrays that hold their number."""

    def __init__(self, *, granted: bool = False) -> None:
        self.granted = granted

    def __iter__(self) -> Iterator[Any]:
        number = 0
        while True:
            if self.granted:
                array: Any = np.frombuffer(farside.allocate(8 * LENGTH), np.int64)
                array[:] = number
                yield array
            else:
                yield np.full(LENGTH, number)
            number += 1


class Gate:
    """Lets a child wait until its parent opens it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def wait(self) -> None:
        assert os.read(self._read, 1)

    def open(self) -> None:
        os.write(self._write, b"1")
        os.close(self._write)
        os.close(self._read)


def check(arrays: list[Any], gate: Gate) -> None:
    gate.wait()
    found = [(int(array.min()), int(array.max())) for array in arrays]
    assert found == [(number, number) for number in range(len(arrays))]


def by_fork(arrays: list[Any], gate: Gate) -> Callable[[], int | None]:
    return partial(exit_code, fork(partial(check, arrays, gate)))


def by_fork_of_the_child(arrays: list[Any], gate: Gate) -> Callable[[], int | None]:
    """The child ends at once, its own child reads."""
    read, write = os.pipe()

    def middle() -> None:
        inner = os.fork()
        if not inner:
            code = 1
            try:
                check(arrays, gate)
                code = 0
            finally:
                os.write(write, bytes([code]))
                os._exit(0)

    outcome = exit_code(fork(middle))
    os.close(write)

    def wait() -> int:
        with open(read, "rb") as file:
            return outcome or file.read()[0]

    return wait


def by_process(arrays: list[Any], gate: Gate) -> Callable[[], int | None]:
    process = multiprocessing.get_context("fork").Process(target=check, args=(arrays, gate))
    process.start()

    def wait() -> int | None:
        process.join()
        return process.exitcode

    return wait


WAYS = [by_fork, by_fork_of_the_child, by_process]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("granted", [False, True], ids=["copied", "granted"])
def test_arrays_stay_in_a_forked_child(
    subprocess_kind: Kind,
    way: Callable[[list[Any], Gate], Callable[[], int | None]],
    granted: bool,  # noqa: FBT001
) -> None:
    with subprocess_kind.start(partial(Counted, granted=granted)) as counted:
        iterator = iter(counted)
        arrays = [next(iterator) for _ in range(COUNT)]
        gate = Gate()
        wait = way(arrays, gate)
        arrays.clear()
        for number in range(COUNT, 20 * COUNT):
            assert next(iterator)[0] == number
        gate.open()
        assert wait() == 0


def test_arrays_stay_in_a_child_of_the_worker(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(ForksItself) as forks:
        *numbers, code = forks
        assert code == 0
        assert numbers == [[number] * 2 for number in range(1, 20)]


class ForksItself:
    """Forks while it has memory of `allocate`; gives it up, and takes it anew."""

    def __iter__(self) -> Iterator[Any]:
        array: Any = np.frombuffer(farside.allocate(8 * LENGTH), np.int64)
        array[:] = 0
        gate = Gate()
        wait = by_fork([array], gate)
        del array
        for number in range(1, 20):
            array = np.frombuffer(farside.allocate(8 * LENGTH), np.int64)
            array[:] = number
            yield [int(array[0]), int(array[-1])]
            del array
        gate.open()
        yield wait()


def test_many_forks_use_nothing_up(subprocess_kind: Kind) -> None:
    """Each child is alive together with the next one."""
    with subprocess_kind.start(Counted, arena_bytes=8 << 20) as counted:
        iterator = iter(counted)
        before: Callable[[], None] | None = None
        held = [next(iterator)]
        for _ in range(60):
            held = [next(iterator) for _ in range(4)]
            gate = Gate()
            arrays: list[Any] = []
            wait = by_fork(arrays, gate)
            if before is not None:
                before()
            before = partial(end, gate, wait)
        assert before is not None
        before()
        assert len(held) == 4
        assert counted.stats().copies == 0


def end(gate: Gate, wait: Callable[[], int | None]) -> None:
    gate.open()
    assert wait() == 0


def test_children_that_stay_make_copies_of_what_comes(subprocess_kind: Kind) -> None:
    ends = []
    with subprocess_kind.start(Counted, arena_bytes=4 << 20) as counted:
        iterator = iter(counted)
        for first in range(0, 120, 4):
            arrays = [next(iterator) for _ in range(4)]
            assert [array[0] for array in arrays] == [*range(first, first + 4)]
            gate = Gate()
            ends.append(partial(end, gate, by_fork([], gate)))
        del arrays
        assert counted.stats().copies > 0
        for each in ends:
            each()
        for _ in range(10):
            next(iterator)
        copies = counted.stats().copies
        for _ in range(100):
            next(iterator)
        assert counted.stats().copies == copies


def test_a_fork_while_other_threads_get_and_drop_arrays(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(Counted) as counted:
        latest: list[Any] = []
        over = threading.Event()

        def loop() -> None:
            for array in counted:
                latest[:] = [array]
                if over.is_set():
                    break

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            for _ in range(10):
                pid = fork(partial(stays, latest))
                assert exit_code(pid) == 0
        finally:
            over.set()
            thread.join()


def stays(latest: list[Any]) -> None:
    for _ in range(300):
        for array in latest:
            assert array.min() == array.max()
            assert array[0] == latest[0][0]


STRUCK = """
import ctypes, os, signal, sys
from functools import partial

NUMBER = int(sys.argv[1])

class Struck(Exception):
    pass

def strike(*_):
    raise Struck

# In C: no handler of Python's runs before the fork. Of all, what was registered first runs last.
os.register_at_fork(before=partial(getattr(ctypes.CDLL(None), "raise"), NUMBER))
signal.signal(NUMBER, strike)

import farside
from tests.backends.allocating import blocks

def count():
    return len(os.listdir("/proc/self/fd"))

with farside.iterate_in_subprocess(partial(blocks, 3), mp_context="spawn") as made:
    kept = list(made)
    before = count()
    for _ in range(3):
        struck = False
        try:
            if not os.fork():
                os._exit(0)
        except Struck:
            struck = True
        os.wait()
        print(struck, end=" ")
print(count() <= before)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_a_handler_raises_as_this_process_forks_is_not_lost(number: int) -> None:
    path = Path(__file__).parents[2]
    assert run_python(STRUCK, str(int(number)), path=path) == "True True True True\n"
