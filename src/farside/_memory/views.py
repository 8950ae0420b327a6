"""Views of blocks. A block that a forked child has too is not used again before the child is gone.

A forked child has all views that its parent had, of the same memory, but it must not report when it
is done with one. So a lease that is alive at a fork does not end before the child has ended, or has
become another program. The parent learns that from a pipe. The child, and its own children, have
the write end, which is close-on-exec. Once no process has it any more, the read end hangs up.

So what is called at the end of a lease belongs to its *hold*. The hold is kept for each such child
too, and ends when the lease and all these children are gone: again in C code.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from contextlib import suppress
from datetime import time, tzinfo
from functools import cache, partial
from weakref import WeakValueDictionary, ref

from .._system.descriptors import Descriptor, with_standard_filled
from .._system.signals import at_fork, defer_signals, try_lock
from .._system.weak_values import alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    End: TypeAlias = Callable[[], object]

_live: WeakValueDictionary[int, Views] = WeakValueDictionary()  # by `id`
_forking: list[Any] | None = None
"""From a fork until `_settle`: the lives of all leases that were alive at any time since it began.
"""

_child: tuple[Descriptor, int] | None = None
"""Also from a fork until `_settle`: the read end and the write end of the pipe."""

_over: deque[None] = deque(maxlen=1)
"""Has an element when a fork is over and `_settle` is due.

`_settle` is not the hook itself: Python code there would first run the handlers of all signals that
have come meanwhile. Python drops what a hook raises, be it a Ctrl-C or the SystemExit of a SIGTERM.
"""

_lock = threading.RLock()  # one thread forks at a time


class _Hold:
    """Calls a function when it ends: with a lease, or with the last child that has the lease."""

    # As a slot, __del__ holds a C function for each lease.
    __slots__ = ("__del__",)


class _Life(tzinfo):
    """Ends with a lease, and has its hold.

    The lease has it within a `time`, where the garbage collector does not find it. If it did, then
    in a cycle of garbage it would clear weak references to the life, and call ``__del__``, while
    the view still exists. Other objects of the user in the cycle may use the view when their turn
    comes, and even keep it. Hidden, a life ends only when nothing refers to the lease any more.
    """

    __slots__ = ("__weakref__", "hold")


class Views:
    """Makes views of one arena: leases of its blocks.

    A lease is a ctypes array. A class with ``__buffer__`` (PEP 688) would not do: NumPy's
    ``ndarray(…, buffer=view)`` keeps the object behind a view but drops the view, which such an
    object would take for its end. And Python 3.12 may crash when it is collected in a cycle.
    """

    def __init__(self, arena: memoryview) -> None:
        import ctypes  # not everybody needs it, and a Python without libffi has none

        self._arena = arena
        # ctypes keeps array types for ever: all leases use the one for the whole arena.
        self._make = _maker(ctypes.c_ubyte * arena.nbytes)
        self._alive: dict[int, ref[_Life]] = {}  # for each slot, the life of its latest lease
        # For each forked child: what hangs up when it is gone, and the holds of its leases.
        self.kept: list[tuple[Descriptor | None, list[Any]]] = []
        _live[id(self)] = self

    def open(self, slot: int, end: End) -> memoryview:
        """Lease a slot: return a view of the whole arena, and call `end` when the lease ends."""
        if _over:
            _settle()
        lease = self._make(self._arena)
        life: Any = _Life()  # type: ignore[abstract]  # it tells no time
        life.hold = _Hold()
        life.hold.__del__ = end
        lease.life = time(0, 0, 0, 0, life)  # a keyword would double what this costs
        self._alive[slot] = ref(life)
        # In this order, either this thread or the one that forks finds the lease.
        forking = _forking
        if forking is not None:
            forking.append(life)
        return memoryview(lease).cast("B")

    def alive(self) -> list[_Life]:
        """Return the lives of the leases that have not ended."""
        found = [each() for each in list(self._alive.values())]
        return [life for life in found if life is not None]

    def keep(self, child: Descriptor | None) -> None:
        """Keep all leases that are alive for a child, which has just been forked."""
        holds = [life.hold for life in self.alive()]  # type: ignore[attr-defined]
        if holds:
            self.kept.append((child, holds))

    def drop_ended_children(self) -> None:
        """Release what was kept for children that have ended."""
        if _over:
            _settle()
        if not self.kept:
            return
        poll = select.poll()  # by one system call: there may be many
        by_number = {each[0].fileno(): each for each in self.kept if each[0] is not None}
        for number in by_number:
            # Nothing is ever written to it. macOS tells of a hang-up only where input is asked for.
            poll.register(number, select.POLLIN)
        for number, event in poll.poll(0):
            if event & select.POLLHUP:
                with suppress(ValueError):  # another thread was faster
                    self.kept.remove(by_number[number])

    def forget(self) -> None:
        """Keep nothing any more, and nothing at the next fork."""
        self._alive = {}
        self.kept = []

    def __del__(self) -> None:
        if _over:
            _settle()


@cache
def _maker(kind: Any) -> Callable[[memoryview], Any]:
    """Return the function that makes the leases of all arenas of a size.

    A class refers to itself, so one for each arena would never go if the garbage collector is off.
    """

    class Array(kind):  # type: ignore[misc]
        __slots__ = ("life",)

    return Array.from_buffer  # type: ignore[no-any-return]


def _before_fork() -> None:
    try:
        defer_signals(_look_around)
    except BaseException:  # of a signal handler: Python prints it, and the fork goes on
        _look_around()
        raise


def _look_around() -> None:
    """Record which leases a forked child will have. It may run twice for a fork."""
    global _forking, _child  # noqa: PLW0603  of this process
    _settle()
    _forking = []  # from now on, none ends unnoticed
    for views in alive(_live):
        views.drop_ended_children()
        _forking += views.alive()
    if _live and _child is None:
        with suppress(OSError):
            # Not 0, 1 or 2: in the child, nobody reads what is printed to the latter.
            read = Descriptor()
            read.fd, write = with_standard_filled(os.pipe)
            _child = read, write


def _settle() -> None:
    """Keep the leases that a forked child has too, unless another thread is just forking."""
    defer_signals(partial(try_lock, _lock, _settle_now))


def _settle_now() -> None:
    global _forking, _child  # noqa: PLW0603  as above
    if not _over:
        return
    try:
        _over.clear()  # first: a signal handler may come here, too
        for views in alive(_live):
            views.keep(_child and _child[0])
    except BaseException:  # of a signal handler
        _over.append(None)
        raise
    _forking = None
    child, _child = _child, None
    if child is not None:
        os.close(child[1])


def _in_child() -> None:
    """Keep nothing in the child: it gives no block back. Its end of the pipe stays open."""
    global _forking, _child  # noqa: PLW0603  as above
    for views in alive(_live):
        views.forget()
    _over.clear()
    _forking = _child = None
    _lock.release()


# Hooks run before a fork in reverse order, and after it in this order.
at_fork(before=_before_fork, after_in_parent=partial(_over.append, None))
at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child)
