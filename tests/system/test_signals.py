"""defer_signals: steps that Ctrl-C, a time limit or a request to end does not cut in two."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside._payload import handlers
from farside._system.signals import defer_signals, try_lock, with_lock
from tests.children import forked, run_python
from tests.faults.interrupting import Alarm, alarming, strike_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import NoReturn


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


FORK = """
import warnings
warnings.simplefilter("ignore")  # of a fork beside threads
from farside._system import signals
import os, threading
def fork():
    pid = os.fork()
    if not pid:
        os._exit(signals._main_ident != threading.get_ident())
    assert not os.waitpid(pid, 0)[1]
thread = threading.Thread(target=fork)
thread.start()
thread.join()
"""


def test_the_thread_that_forks_is_the_main_one_even_where_threading_is_imported_later() -> None:
    assert run_python(FORK) == ""


def interrupt(steps: list[str]) -> None:
    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("whole")

    defer_signals(work)


def test_the_interrupt_comes_after_the_step() -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupt(steps)
    assert steps == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_happens() -> None:
    assert defer_signals(lambda: "done") == "done"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_is_called_once() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: calls.append(number))

    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        assert calls == []

    defer_signals(lambda: defer_signals(work))
    assert calls == [signal.SIGINT]


def test_what_is_held_back_within_waits_for_the_end_of_the_outermost_step() -> None:
    steps: list[str] = []

    def work() -> None:
        interrupt(steps)
        steps.append("after it")

    with pytest.raises(KeyboardInterrupt):
        defer_signals(work)
    with pytest.raises(KeyboardInterrupt):
        defer_signals(partial(defer_signals, work), once=True)
    assert steps == ["whole", "after it"] * 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_where_no_python_code_would_run_nothing_is_done(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    assert defer_signals(lambda: signal.getsignal(signal.SIGINT)) is handler


def test_other_threads_do_nothing() -> None:
    def look() -> object:
        assert threading.current_thread() is not threading.main_thread()
        return defer_signals(lambda: signal.getsignal(signal.SIGINT))

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result() is signal.default_int_handler


def test_an_error_of_the_step_is_kept_beside_the_interrupt() -> None:
    def fail() -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("mine")

    with pytest.raises(KeyboardInterrupt) as caught:
        defer_signals(fail)
    assert isinstance(caught.value.__context__, ValueError)


def test_a_second_interrupt_is_not_held_back_where_it_is_asked_for() -> None:
    steps: list[str] = []

    def insist() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("held back")
        signal.raise_signal(signal.SIGINT)
        steps.append("held back again")

    with pytest.raises(KeyboardInterrupt):
        defer_signals(insist, once=True)
    assert steps == ["held back"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_signal_leaves_the_handler_in_its_place() -> None:
    alarms = 0
    with alarming():
        while strike_at(
            alarms + 1, lambda: defer_signals(lambda: None), signal.SIGUSR1, Alarm
        ).raised:
            alarms += 1
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert alarms


@pytest.mark.parametrize("once", [False, True])
def test_a_child_that_another_thread_forks_meanwhile_is_interrupted(*, once: bool) -> None:
    def be_interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt([])

    def fork() -> int:
        return pool.submit(forked, be_interrupted).result()

    with ThreadPoolExecutor(1) as pool:
        assert defer_signals(fork, once=once) == 0
        assert defer_signals(lambda: defer_signals(fork), once=once) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("once", [False, True])
def test_a_handler_that_was_held_back_is_not_kept(*, once: bool) -> None:
    """That of asyncio refers to a task, and so to all that its program has."""

    class Handler:
        def __call__(self, *_: object) -> None:
            raise AssertionError

    kept = Handler()
    before = signal.signal(signal.SIGINT, kept)
    defer_signals(int, once=once)
    signal.signal(signal.SIGINT, before)
    gone = weakref.ref(kept)
    del kept
    assert gone() is None


@pytest.fixture(params=[signal.SIGALRM, signal.SIGTERM])
def other(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Another signal that is held back, whose handler raises `Alarm`."""

    def strike(*_: object) -> NoReturn:
        raise Alarm

    number: signal.Signals = request.param
    before = signal.signal(number, strike)
    yield number
    signal.signal(number, before)


def _get(*numbers: signal.Signals) -> None:
    for number in numbers:
        signal.raise_signal(number)


def test_the_handler_of_another_signal_runs_after_the_step(other: signal.Signals) -> None:
    handler, steps = signal.getsignal(other), list[str]()

    def work() -> None:
        signal.raise_signal(other)
        steps.append("whole")

    for step in (work, partial(defer_signals, work)):
        with pytest.raises(Alarm):
            defer_signals(step)
        assert signal.getsignal(other) is handler
    assert steps == ["whole", "whole"]
    assert defer_signals(lambda: "done") == "done"


def test_the_exception_is_known_as_that_of_a_handler(other: signal.Signals) -> None:
    with pytest.raises(Alarm) as caught:
        defer_signals(lambda: signal.raise_signal(other))
    assert handlers.raised(caught.value)


def test_a_handler_runs_when_all_are_back_in_their_places(other: signal.Signals) -> None:
    found: list[object] = []

    def look(*_: object) -> None:
        found.append(signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a program does that is about to end

    signal.signal(other, look)
    defer_signals(lambda: signal.raise_signal(other))
    assert found == [signal.default_int_handler]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_handler_that_the_work_sets_stays(other: signal.Signals) -> None:
    defer_signals(lambda: signal.signal(other, signal.SIG_IGN))
    assert signal.getsignal(other) is signal.SIG_IGN


def test_all_handlers_run_though_one_of_them_uses_what_defers(other: signal.Signals) -> None:
    ran: list[int] = []

    def note(number: int, _: object) -> None:
        ran.append(number)
        defer_signals(lambda: None)

    for number in (other, signal.SIGINT):
        signal.signal(number, note)
    defer_signals(partial(_get, signal.SIGINT, other))
    assert ran == [other, signal.SIGINT]


@pytest.mark.parametrize("other", [signal.SIGTERM], indirect=True)  # `forked` uses SIGALRM
def test_a_child_that_a_handler_forks_runs_no_handler_of_what_its_parent_got(
    other: signal.Signals, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"

    def note(*_: object) -> None:
        with ran.open("a") as file:
            file.write("x")

    def fork(*_: object) -> None:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        children.append(child)

    children: list[int] = []
    signal.signal(signal.SIGINT, note)
    signal.signal(other, fork)
    try:
        defer_signals(partial(_get, signal.SIGINT, other))
    finally:
        if children:
            os._exit(0)
    assert ran.read_text() == "x"


def test_both_signals_are_held_back_at_once(other: signal.Signals) -> None:
    steps: list[str] = []

    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(other)
        steps.append("whole")

    with pytest.raises(KeyboardInterrupt) as caught:
        defer_signals(work)
    assert steps == ["whole"]
    assert isinstance(caught.value.__context__, Alarm)


def test_another_signal_is_held_back_where_sigint_is_ignored(other: signal.Signals) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    steps: list[str] = []

    def work() -> None:
        signal.raise_signal(other)
        steps.append("whole")

    with pytest.raises(Alarm):
        defer_signals(work)
    assert steps == ["whole"]


def test_another_signal_is_not_held_back_where_the_work_may_take_long(
    other: signal.Signals,
) -> None:
    steps: list[str] = []

    def work() -> None:
        signal.raise_signal(other)
        steps.append("whole")

    with pytest.raises(Alarm):
        defer_signals(work, once=True)
    assert steps == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_c_code_does_at_another_signal_stays(other: signal.Signals, tmp_path: Path) -> None:
    def work() -> None:
        signal.raise_signal(other)
        steps.append("whole")

    steps: list[str] = []
    with (tmp_path / "stacks").open("w+") as file:
        faulthandler.register(other, file=file, chain=True)
        for _ in range(2):
            with pytest.raises(Alarm):
                defer_signals(work)
        faulthandler.unregister(other)
        file.seek(0)
        assert file.read().count("in work") == 2
    assert steps == ["whole", "whole"]


@pytest.mark.parametrize("other", [signal.SIGTERM], indirect=True)  # `forked` uses SIGALRM
def test_a_child_that_another_thread_forks_meanwhile_has_the_handler(other: signal.Signals) -> None:
    def be_struck() -> None:
        with pytest.raises(Alarm):
            signal.raise_signal(other)

    with ThreadPoolExecutor(1) as pool:
        assert defer_signals(lambda: pool.submit(forked, be_struck).result()) == 0


def test_no_interrupt_leaves_a_lock_locked() -> None:
    lock = threading.Lock()
    interrupts = 0
    while strike_at(interrupts + 1, lambda: with_lock(lock, lambda: None)).raised:
        interrupts += 1
        assert not lock.locked()
    assert interrupts  # after the lock was taken, among others


def test_nor_does_one_where_the_lock_is_only_tried() -> None:
    lock = threading.Lock()
    interrupts = 0
    while strike_at(interrupts + 1, lambda: try_lock(lock, lambda: None)).raised:
        interrupts += 1
        assert not lock.locked()
    assert interrupts


def test_a_lock_that_another_holds_is_let_be() -> None:
    lock = threading.Lock()
    done: list[bool] = []
    assert try_lock(lock, lock.locked)
    with lock:
        assert try_lock(lock, lambda: done.append(True)) is None
    assert not done


def test_the_lock_is_held_for_the_work() -> None:
    lock = threading.Lock()
    assert with_lock(lock, lock.locked)
    with pytest.raises(ZeroDivisionError):
        with_lock(lock, lambda: 1 // 0)
    assert not lock.locked()


IN_THE_MAIN_THREAD = """\
import sys
from concurrent import interpreters

interpreter = interpreters.create()
interpreter.prepare_main(path=tuple(sys.path))
interpreter.exec('''
import sys
sys.path[:] = path
from farside import WorkerExecutor, iterate_in_subprocess
with iterate_in_subprocess(list) as nothing, WorkerExecutor(1, backend="subprocess") as executor:
    print(list(nothing), executor.submit(abs, -1).result())
''')
interpreter.close()
"""


@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs concurrent.interpreters")
def test_a_subinterpreter_in_the_main_thread_has_nothing_to_do_with_signals() -> None:
    assert run_python(IN_THE_MAIN_THREAD) == "[] 1\n"


class AlarmError(Exception):
    """What a handler of another signal raises."""


def test_the_handler_is_put_back_whatever_another_handler_raises() -> None:
    def strike(*_: object) -> None:
        raise AlarmError

    def work() -> None:
        """Do nothing."""

    before = signal.signal(signal.SIGVTALRM, strike)
    try:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0.0002)
                while True:
                    defer_signals(work)
            except AlarmError:
                pass
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
