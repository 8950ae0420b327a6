"""Descriptors: each is closed once, by its owner, and no forked child keeps one by accident."""

import errno
import gc
import os
import threading
import time
from collections.abc import Iterator

import pytest

from farside._system import descriptors
from farside._system.descriptors import Descriptor, inherited, opened, pipe
from farside.errors import LinkClosedError
from tests.background import Background
from tests.children import forked, run_python


@pytest.fixture
def both() -> Iterator[tuple[Descriptor, Descriptor]]:
    ends = pipe()
    yield ends
    for end in ends:
        end.close()


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_pipe_is_read_at_its_first_end(both: tuple[Descriptor, Descriptor]) -> None:
    read, write = both
    os.write(write.fileno(), b"through")
    assert os.read(read.fileno(), 10) == b"through"


def test_close_closes(both: tuple[Descriptor, Descriptor]) -> None:
    read, _ = both
    fd = read.fileno()
    assert not read.closed
    read.close()
    assert read.closed
    assert not is_open(fd)


def test_closing_again_does_not_close_who_has_the_number_now(
    both: tuple[Descriptor, Descriptor],
) -> None:
    read, _ = both
    fd = read.fileno()
    read.close()
    stranger = os.open(os.devnull, os.O_RDONLY)
    try:
        assert stranger == fd  # the lowest free number: POSIX says so
        read.close()
        assert is_open(stranger)
    finally:
        os.close(stranger)


def test_one_that_other_code_has_closed_is_closed(both: tuple[Descriptor, Descriptor]) -> None:
    os.close(both[0].fileno())
    both[0].close()
    assert both[0].closed


@pytest.mark.parametrize("number", [errno.EIO, errno.EINTR, errno.ENOSPC])
def test_one_is_closed_whatever_the_system_says(
    both: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What was to be closed after it would stay open, and a worker that was not told would run."""
    really = os.close

    def fail(fd: int) -> None:
        really(fd)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", fail)
        both[0].close()
    assert both[0].closed


def test_what_a_signal_handler_raises_as_one_is_closed_is_not_lost(
    both: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.close

    def strike(fd: int) -> None:
        really(fd)
        raise TimeoutError("of the handler of SIGALRM")

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", strike)
        with pytest.raises(TimeoutError, match="SIGALRM"):
            both[0].close()
    assert both[0].closed


def test_one_that_was_closed_is_dropped_without_a_step_that_ctrl_c_can_strike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python drops what is raised in a finalizer, a KeyboardInterrupt too."""
    ends = pipe()
    for end in ends:
        end.close()
    steps: list[object] = []
    monkeypatch.setattr(descriptors, "_guarded", steps.append)
    del ends, end
    gc.collect()
    assert steps == []


def test_it_is_closed_without_an_error_where_there_is_no_memory_for_the_guard(
    both: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def scarce(_: object) -> None:
        raise MemoryError

    number = both[0].fileno()
    monkeypatch.setattr(descriptors, "_guarded", scarce)
    both[0].close()
    monkeypatch.undo()
    assert not is_open(number)


def test_a_closed_descriptor_has_no_number(both: tuple[Descriptor, Descriptor]) -> None:
    both[0].close()
    with pytest.raises(LinkClosedError, match="closed"):
        both[0].fileno()


def test_many_threads_close_it_once(
    both: tuple[Descriptor, Descriptor], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    close = os.close

    def counting(fd: int) -> None:
        closed.append(fd)
        close(fd)

    monkeypatch.setattr(os, "close", counting)
    fd = both[0].fileno()
    calls = [Background(both[0].close) for _ in range(8)]
    for call in calls:
        call.result()
    assert closed.count(fd) == 1


def test_one_that_another_thread_closes_is_closed_after_its_use(
    both: tuple[Descriptor, Descriptor],
) -> None:
    _, write = both
    number = write.fileno()

    def use(fd: int) -> int:
        Background(write.close).result()
        assert write.closed
        with pytest.raises(LinkClosedError):
            write.fileno()
        with open(os.devnull) as stranger:  # else it would get the number
            assert stranger.fileno() != fd
        return os.write(fd, b"x")

    assert write.use(use) == 1
    assert not is_open(number)
    assert both[0].use(lambda fd: os.read(fd, 2)) == b"x"
    with pytest.raises(LinkClosedError):
        write.use(use)


def test_a_forked_child_closes_one_that_another_thread_uses(
    both: tuple[Descriptor, Descriptor],
) -> None:
    write = both[1]

    def fork_beside(fd: int) -> int:
        def check() -> None:
            assert write.closed
            assert not is_open(fd)

        return Background(lambda: forked(check)).result()

    assert write.use(fork_beside) == 0
    assert is_open(write.fileno())


def test_a_collected_descriptor_closes_its_number() -> None:
    read, write = pipe()
    fds = [read.fileno(), write.fileno()]
    del read, write
    gc.collect()
    assert not any(is_open(fd) for fd in fds)


def test_collecting_one_that_was_closed_does_nothing() -> None:
    read, write = pipe()
    fd = read.fileno()
    read.close()
    stranger = os.open(os.devnull, os.O_RDONLY)
    try:
        assert stranger == fd
        del read
        gc.collect()
        assert is_open(stranger)
    finally:
        os.close(stranger)
        write.close()


@pytest.mark.filterwarnings("error")
def test_collecting_one_that_was_never_made_whole_is_silent() -> None:
    unmade = Descriptor.__new__(Descriptor)
    del unmade
    gc.collect()


def test_those_left_at_exit_are_silent() -> None:
    script = "import sys; from farside._system.descriptors import pipe; sys.left = pipe()"
    assert run_python(script) == ""


def test_a_forked_child_has_none(both: tuple[Descriptor, Descriptor]) -> None:
    fds = [end.fileno() for end in both]

    def check() -> None:
        assert all(end.closed for end in both)
        assert not any(is_open(fd) for fd in fds)

    assert forked(check) == 0
    assert all(is_open(fd) for fd in fds)


def test_a_forked_child_has_what_it_inherits(both: tuple[Descriptor, Descriptor]) -> None:
    read, write = both

    def check() -> None:
        assert write.closed
        os.fstat(read.fileno())

    with inherited([read]):
        assert forked(check) == 0


def test_what_is_inherited_works_in_the_child(both: tuple[Descriptor, Descriptor]) -> None:
    read, write = both
    with inherited([write]):
        assert forked(lambda: os.write(write.fileno(), b"from the child")) == 0
    write.close()
    assert os.read(read.fileno(), 100) == b"from the child"
    assert os.read(read.fileno(), 100) == b""


def test_nothing_is_inherited_afterwards(both: tuple[Descriptor, Descriptor]) -> None:
    read, _ = both
    with pytest.raises(KeyError), inherited([read]):
        raise KeyError

    def check() -> None:
        assert read.closed

    assert forked(check) == 0


def test_bequests_of_another_thread_are_its_own(both: tuple[Descriptor, Descriptor]) -> None:
    read, _ = both
    inside, leave = threading.Event(), threading.Event()

    def inherit() -> None:
        with inherited([read]):
            inside.set()
            leave.wait()

    def check() -> None:
        assert read.closed

    other = Background(inherit)
    inside.wait()
    try:
        assert forked(check) == 0
    finally:
        leave.set()
        other.result()


def test_a_forked_child_can_make_close_and_fork_again() -> None:
    def grandchild() -> None:
        read, write = pipe()
        read.close()
        write.close()

    def child() -> None:
        read, write = pipe()
        assert forked(grandchild) == 0
        os.write(write.fileno(), b"x")
        assert os.read(read.fileno(), 1) == b"x"

    assert forked(child) == 0


def test_nothing_is_said_of_one_that_is_left_when_python_has_forgotten_this_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    os.close(write)
    left = opened(lambda: read)
    monkeypatch.setattr(descriptors, "_guarded", None)
    left.__del__()
    monkeypatch.undo()
    left.close()


WITHOUT_MEMORY = """
import os, sys
from _testcapi import remove_mem_hooks, set_nomemory
from farside._system.descriptors import check_room, opened, pipe

def null():
    return os.open(os.devnull, os.O_RDONLY)

def failing(make, first):
    before, failed = os.listdir("/proc/self/fd"), False
    args = first, first + 1
    try:
        set_nomemory(*args)
        make()
    except MemoryError:
        failed = True
    finally:
        remove_mem_hooks()
    return failed, os.listdir("/proc/self/fd") == before

sys.unraisablehook = id  # finalizers may find no memory either
for make in (pipe, lambda: opened(null), lambda: check_room(2, pipe()[0])):
    make()
    outcomes = set()
    for first in range(60):
        pid = os.fork()  # after some failures, Python 3.12 and 3.13 would crash
        if not pid:
            os._exit(sum(map(int.__mul__, failing(make, first), (1, 2))))
        outcomes.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    assert outcomes <= {2, 3} and 3 in outcomes, (make, outcomes)
"""


def test_none_is_left_open_where_there_is_no_memory_for_its_owner() -> None:
    pytest.importorskip("_testcapi")
    run_python(WITHOUT_MEMORY)


CLOSED_AND_SCARCE = """
import fcntl, os, resource
from farside._system.descriptors import pipe, with_standard_filled

def numbers():
    return sorted(map(int, os.listdir("/proc/self/fd")))

out = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 10)
for closed in ((1, 2), (0, 2), (2,), (0, 1, 2)):
    for number in closed:
        os.close(number)
    before = numbers()
    for make in (pipe, lambda: with_standard_filled(lambda: os.open("nothing", 0))):
        for most in range(3, 8):
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            try:
                make()
            except OSError:
                pass
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert numbers() == before, (closed, most, before, numbers())
    for number in closed:
        os.open(os.devnull, os.O_RDWR)
os.write(out, b"well")
"""


def test_none_is_lost_where_the_standard_ones_are_closed_and_few_are_left() -> None:
    assert run_python(CLOSED_AND_SCARCE) == "well"


def test_who_waits_for_the_lock_of_one_that_waits_for_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """User code that strikes while the lock is held may wait for another thread of farside's."""
    monkeypatch.setattr(descriptors, "_PATIENCE", 0.05)
    made: list[Descriptor] = []
    codes: list[int] = []

    def make_and_fork() -> None:
        made.extend(pipe())
        codes.append(forked(pipe))

    descriptors._guarded(lambda: Background(make_and_fork).result())
    assert len(made) == 2
    assert codes == [0]
    for end in made:
        end.close()


def test_a_fork_waits_until_one_that_another_thread_opens_is_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(descriptors, "_PATIENCE", 10)
    made: list[int] = []
    opening = threading.Event()

    def slow() -> int:
        made.append(os.open(os.devnull, os.O_RDONLY))
        opening.set()
        time.sleep(0.05)
        return made[0]

    def check() -> None:
        assert not is_open(made[0])

    other = Background(opened, slow)
    opening.wait()
    assert forked(check) == 0
    other.result().close()


STRUCK_IN_A_FORK = """
import ctypes, os, threading
from functools import partial

# The signal is handled when Python code runs again.
os.register_at_fork(before=partial(getattr(ctypes.CDLL(None), "raise"), 2))
from farside._system import descriptors

try:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    for _ in range(10):
        pass
except KeyboardInterrupt:
    print("raised")
free = []
thread = threading.Thread(target=lambda: free.append(descriptors._lock.acquire(blocking=False)))
thread.start()
thread.join()
print(*free)
"""


def test_ctrl_c_that_comes_as_a_process_forks_is_raised_after_that() -> None:
    assert run_python(STRUCK_IN_A_FORK).split() == ["raised", "True"]
