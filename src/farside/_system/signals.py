"""Steps that Ctrl-C, a time limit or a request to end must not cut in two.

Python runs the handler of a signal in the main thread, between any two bytecodes. That of SIGINT
raises KeyboardInterrupt there by default, and programs have handlers of SIGALRM and SIGTERM that
raise: after bytes were read and before they were decoded, for example. Then the stream is out of
step, and the worker is lost. So the few steps that change the state of a stream or of the protocol
hold these handlers back, for microseconds. Waiting is not among them.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import sys

# These are what the functions of `signal` call. Those turn each result into a member of an
# enumeration, which takes five times as long as the rest, and a loop over small items makes these
# calls for each frame. And `signal` would take time to import.
from _signal import SIGINT, SIGTERM, getsignal, signal
from sys import _getframe

from .._in_c import SimpleNamespace, get_ident, partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Lock, RLock, Thread
    from types import FrameType
    from typing import Any, TypeAlias, TypeVar

    T = TypeVar("T")
    Pending: TypeAlias = tuple[Any, int]  # a handler that was held back, and its signal


def main_ident() -> int | None:
    if sys.version_info >= (3, 13) and "threading" not in sys.modules:
        from _thread import _get_main_thread_ident  # type: ignore[attr-defined]  # as `threading`

        return _get_main_thread_ident()  # type: ignore[no-any-return]
    import threading  # which gevent may have changed

    return threading.main_thread().ident


_main_ident = main_ident()  # the thread that runs handlers; None: none does, in a subinterpreter


here = SimpleNamespace(pid=os.getpid())  # this process; its number, known without a system call


class _Deferred:
    """A signal whose handler can be held back."""

    def __init__(self, number: int) -> None:
        self.number = number
        # `Sigaction.setter`, once it was needed; it returns `signal` if the kernel cannot be asked.
        self._ask_kernel: Callable[[], Any] | None = None

    def hold(
        self, work: Callable[[], T], handler: Any, pending: list[Pending], *, once: bool = False
    ) -> T:
        """Call `work` without the handler; add it to `pending` if the signal has come."""
        ask = self._ask_kernel or self._learn_to_ask(handler)
        if ask is None:
            return work()
        came: list[int] = []
        set_to, number = ask(), self.number
        note = partial(_note, came, handler, once=once)
        try:
            set_to(number, note)
            return work()
        finally:
            try:
                if getsignal(number) is note:  # else the work has set another handler
                    set_to(number, handler)
            except BaseException:  # of the handler of another signal, which `signal` runs first
                set_to(number, handler)
                raise
            finally:
                if came:
                    pending.append((handler, number))

    def _learn_to_ask(self, handler: Any) -> Callable[[], Any] | None:
        global _main_ident  # noqa: PLW0603  it is that of the process
        if sys.version_info >= (3, 13):
            import _interpreters

            if _interpreters.get_current()[0] != 0:  # a subinterpreter, run by the main thread
                _main_ident = None
                return None
        try:
            from .sigaction import Sigaction  # workers need none

            self._ask_kernel = Sigaction(self.number, handler).setter
        except (ImportError, OSError, AttributeError):
            self._ask_kernel = lambda: signal
        return self._ask_kernel

    def begin_in_child(self) -> None:
        """Put back, in a forked child, a handler that was held back.

        Another thread may have been in the middle of `hold`, which goes on only in the parent.
        """
        handler = getsignal(self.number)
        if _is_note(handler) and self._ask_kernel is not None:
            came, held = handler.args
            came.clear()  # only the parent has got that signal
            self._ask_kernel()(self.number, held)


def _note(
    came: list[int], handler: Any, number: int, frame: FrameType | None, *, once: bool
) -> None:
    """Handle a signal whose own handler is held back: note that it has come."""
    if not came:
        came.append(number)
    elif once:
        handler(number, frame)


def _is_note(handler: Any) -> bool:
    return type(handler) is partial and handler.func is _note


_ALARM = getattr(_signal, "SIGALRM", SIGTERM)  # Windows has none
_interrupt, _others = _Deferred(SIGINT), [_Deferred(each) for each in {_ALARM, SIGTERM}]


def defer_signals(work: Callable[[], T], *, once: bool = False) -> T:
    """Call `work`, and let no handler of these signals that is written in Python run meanwhile.

    If signals have come, their handlers run at the end instead, when all of them are back in their
    places. Only the main thread has to do anything. A handler of yet another signal may still raise
    in the middle; even then, the handlers are put back. Handlers in C stay in force, meanwhile and
    afterwards. (A context manager could not promise that: Python 3.14 looks for signals between a
    call of ``__enter__`` and the block.)

    The result of the work is lost if a handler raises at the end. With `once`, the work may take
    long, so only SIGINT is held back, and of two only the first: a user who presses Ctrl-C again
    means it.
    """
    if get_ident() != _main_ident:
        return work()
    pending: list[Pending] = []
    if (callable(getsignal(_ALARM)) or callable(getsignal(SIGTERM))) and not once:
        for each in _others:
            handler = getsignal(each.number)
            if callable(handler) and not _is_note(handler):
                work = partial(each.hold, work, handler, pending)
    handler = getsignal(SIGINT)
    try:
        if callable(handler) and not _is_note(handler):  # else nothing runs, or it is held back
            return _interrupt.hold(work, handler, pending, once=once)
        return work()
    finally:
        if pending:
            _run(pending)


def _run(pending: list[Pending]) -> None:
    """Call handlers that were held back, even if one of them raises."""
    (handler, number), pid = pending.pop(0), here.pid
    try:
        # The frame is that of the call, by which `handlers.raised` knows the handler.
        handler(number, _getframe())
    finally:
        if pending and here.pid == pid:  # else the handler has forked: the parent got the others
            _run(pending)


def _begin_in_child() -> None:
    global _main_ident  # noqa: PLW0603  it is the thread that has forked
    # `threading` may have its own turn later, if it was imported later.
    _main_ident = get_ident()
    here.pid = os.getpid()
    for each in (_interrupt, *_others):
        each.begin_in_child()


at_fork: Callable[..., None] = getattr(os, "register_at_fork", lambda **_: None)  # not on Windows
at_fork(after_in_child=_begin_in_child)


def with_lock(lock: Lock | RLock, work: Callable[[], T]) -> T:
    """Call `work`, which may wait, under a lock that Ctrl-C cannot leave locked.

    ``with lock:`` is not enough: Python 3.14 looks for signals after it has taken the lock and
    before it knows that it has to release it.

    Ctrl-C can interrupt the wait for the lock, and waits in the work.
    """
    held: list[bool] = []
    try:
        held.extend(map(lock.acquire, [True]))  # one call of C code takes the lock and tells of it
        return work()
    finally:
        if held:
            lock.release()


def try_lock(lock: Lock | RLock, work: Callable[[], T], seconds: float = 0) -> T | None:
    """Call `work` as `with_lock` does, if the lock is free within some seconds; None if not."""
    held: list[bool] = []
    try:
        held.extend(filter(None, map(lock.acquire, [True], [seconds])))
        return work() if held else None
    finally:
        if held:
            lock.release()


def start_thread(thread: Thread) -> None:
    """Start a thread; raise what a signal handler raises meanwhile."""
    try:
        thread.start()
    except KeyError as error:
        # The handler has raised just as the thread had begun. Python then tries to undo the start,
        # which is too late.
        raise (error.__context__ or error) from None
