"""Steps that Ctrl-C must not cut in two.

Python runs the handler of SIGINT in the main thread, between any two bytecodes, and by default it
raises KeyboardInterrupt there: after bytes were read and before they were decoded, for example.
Then the stream is out of step, and the worker is lost. So the few steps that change the state of
a stream or of the protocol hold the handler back, for microseconds. Waiting is not among them.
"""

from __future__ import annotations

import os
import sys

# These are what the functions of `signal` call. Those turn each result into a member of an
# enumeration, which takes five times as long as the rest, and a loop over small items makes these
# calls for each frame. And `signal` would take time to import.
from _signal import SIGINT, getsignal, signal  # type: ignore[import-not-found]

from .._in_c import SimpleNamespace, get_ident, partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Lock, RLock, Thread
    from types import FrameType
    from typing import Any, TypeVar

    T = TypeVar("T")


def main_ident() -> int | None:
    if sys.version_info >= (3, 13) and "threading" not in sys.modules:
        from _thread import _get_main_thread_ident  # type: ignore[attr-defined]  # as `threading`

        return _get_main_thread_ident()  # type: ignore[no-any-return]
    import threading  # which gevent may have changed

    return threading.main_thread().ident


_main_ident = main_ident()  # the thread that runs handlers; None: none does, in a subinterpreter


here = SimpleNamespace(pid=os.getpid())  # this process; its number, known without a system call


def defer_sigint(work: Callable[[], T], *, once: bool = False) -> T:
    """Call `work`, and let no handler of SIGINT that is written in Python run meanwhile.

    If the signal has come, the handler runs at the end instead. Only the main thread has to do
    anything. A handler of another signal may still raise in the middle; even then, the handler of
    SIGINT is put back. Handlers of SIGINT in C stay in force, meanwhile and afterwards.
    (A context manager could not promise that: Python 3.14 looks for signals between a call of
    ``__enter__`` and the block.)

    The result of the work is lost if the handler raises at the end. With `once`, a second signal is
    not held back: a user who presses Ctrl-C again, while the work has to wait after all, means it.
    """
    global _held  # noqa: PLW0603  there is one for the process
    if get_ident() != _main_ident:
        return work()
    handler = getsignal(SIGINT)
    if handler is _note or not callable(handler):  # it is held back already, or runs nothing
        return work()
    ask = _ask_kernel or _learn_to_ask(handler)
    if ask is None:
        return work()
    foreign = ask()
    _came.clear()  # an exception may have struck at the end of an earlier call
    _held = handler
    if once or foreign is not None:
        return _defer_with_care(work, handler, foreign, once=once)
    try:
        signal(SIGINT, _note)
        return work()
    finally:
        try:
            signal(SIGINT, handler)  # at once: before it, no code of Python can be interrupted
        except BaseException:  # of the handler of another signal, which `signal` runs first
            signal(SIGINT, handler)
            raise
        _held = None  # it may refer to much: that of asyncio has its task
        if _came:
            handler(SIGINT, _came.pop())


_held: Any = None  # the handler that is held back
_came: list[FrameType | None] = []  # the frame in which the SIGINT came that is held back


def _note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if not _came:
        _came.append(frame)


def _defer_with_care(work: Callable[[], T], handler: Any, foreign: Any, *, once: bool) -> T:
    """Do the work of `defer_sigint` when code in C has a say in SIGINT, or with `once`."""
    global _held  # noqa: PLW0603  as in `defer_sigint`
    came: list[FrameType | None] = [] if once else _came
    hold = partial(signal, SIGINT, partial(_note_first, came, handler) if once else _note)
    release = partial(signal, SIGINT, handler)
    if foreign is not None:
        hold, release = foreign(hold), foreign(release)
    try:
        hold()
        return work()
    finally:
        try:
            release()
        except BaseException:  # as in `defer_sigint`
            release()
            raise
        _held = None
        if came:
            handler(SIGINT, came.pop())


def _note_first(
    came: list[FrameType | None], handler: Any, number: int, frame: FrameType | None
) -> None:
    if came:
        handler(number, frame)
    else:
        came.append(frame)


def _begin_in_child() -> None:
    """Put back, in a forked child, a handler of SIGINT that `defer_sigint` was holding back.

    Another thread may have been in the middle of that call, which goes on only in the parent.
    """
    global _main_ident  # noqa: PLW0603  it is the thread that has forked
    # `threading` may have its own turn later, if it was imported later.
    _main_ident = get_ident()
    here.pid = os.getpid()
    handler = installed = getsignal(SIGINT)
    if handler is _note:
        handler = _held
    if isinstance(handler, partial) and handler.func is _note_first:
        handler = handler.args[1]
    if handler is not installed and _ask_kernel is not None:
        put_back, foreign = partial(signal, SIGINT, handler), _ask_kernel()
        (put_back if foreign is None else foreign(put_back))()


at_fork: Callable[..., None] = getattr(os, "register_at_fork", lambda **_: None)  # not on Windows
at_fork(after_in_child=_begin_in_child)


_ask_kernel: Callable[[], Any] | None = None
"""`Sigaction.foreign`, once it was needed; where the kernel cannot be asked, it returns None."""


def _learn_to_ask(handler: Any) -> Callable[[], Any] | None:
    global _main_ident, _ask_kernel  # noqa: PLW0603  they are those of the process
    if sys.version_info >= (3, 13):
        import _interpreters

        if _interpreters.get_current()[0] != 0:  # a subinterpreter, run by the main thread
            _main_ident = None
            return None
    try:
        from .sigaction import Sigaction  # workers need none

        _ask_kernel = Sigaction(handler).foreign
    except (ImportError, OSError, AttributeError):
        _ask_kernel = type(None)
    return _ask_kernel


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
