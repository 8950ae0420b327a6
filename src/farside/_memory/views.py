"""Views of blocks. A block that a forked child has too is not used again before the child is gone.

A forked child has every view of its parent, of the same memory, but it must not say when it is done
with one. So the end of a lease that is alive at a fork waits until the child has ended, or has
become another program. The parent learns that from a pipe whose end to write to is the child's,
and its own children's, and close-on-exec: once nobody has it any more, the other end hangs up.

So the end of a lease is that of its *hold*, which is kept for each child too, and ends when all of
them are gone: again in C code.
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
from .._system.signals import at_fork, defer_sigint, try_lock
from .._system.weak_values import alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    End: TypeAlias = Callable[[], object]

_live: WeakValueDictionary[int, Views] = WeakValueDictionary()  # by `id`
_forking: list[Any] | None = None
"""From a fork until `_settle`: the lives of all leases that are alive, or were since it began."""

_child: tuple[Descriptor, int] | None = None
"""As long: the ends of the pipe, to read from and to write to."""

_over: deque[None] = deque(maxlen=1)
"""Has an element when a fork is over and `_settle` is due.

In a hook after the fork, Python code would first run the handlers of all signals that have come
meanwhile, and Python drops what a hook raises: a Ctrl-C, or the SystemExit of a SIGTERM."""

_lock = threading.RLock()  # one thread forks at a time


class _Hold:
    """Calls a function at its end, which is that of a lease, or of the last child that has it."""

    # As a slot, __del__ holds a C function for each lease.
    __slots__ = ("__del__",)


class _Life(tzinfo):
    """Ends with a lease, and has its hold.

    The lease has it within a `time`, where the garbage collector does not find it. In a cycle of
    garbage, it would clear references to it, and call ``__del__``, while the view is still there:
    others of the user's objects there may use the view when their turn comes, and even keep it. Out
    of its sight, a life ends only when nothing refers to the lease any more.
    """

    __slots__ = ("__weakref__", "hold")


class Views:
    """Makes views of one arena: leases of its blocks.

    A lease is a ctypes array. A class with ``__buffer__`` (PEP 688) would not do: NumPy's
    ``ndarray(…, buffer=view)`` keeps the object behind a view and gives the view up, and then
    such an object has ended. And Python 3.12 may crash where it is collected in a cycle.
    """

    def __init__(self, arena: memoryview) -> None:
        import ctypes  # not everybody needs it, and a Python without libffi has none

        self._arena = arena
        # ctypes keeps array types for ever: all leases use the one for the whole arena.
        self._make = _maker(ctypes.c_ubyte * arena.nbytes)
        self._alive: dict[int, ref[_Life]] = {}  # for each slot, that of its latest lease
        # For each forked child, what hangs up when it is gone, and the holds of its leases.
        self.kept: list[tuple[Descriptor | None, list[Any]]] = []
        _live[id(self)] = self

    def open(self, slot: int, end: End) -> memoryview:
        """Return a view of the arena that calls a function when it ends: the lease of a slot."""
        if _over:
            _settle()
        lease = self._make(self._arena)
        life: Any = _Life()  # type: ignore[abstract]  # it tells no time
        life.hold = _Hold()
        life.hold.__del__ = end
        lease.life = time(tzinfo=life)
        self._alive[slot] = ref(life)
        # In this order, either this thread or the one that forks finds the lease.
        forking = _forking
        if forking is not None:
            forking.append(life)
        return memoryview(lease).cast("B")

    def alive(self) -> list[_Life]:
        """Return what lives as long as each of the leases that have not ended."""
        found = [each() for each in list(self._alive.values())]
        return [life for life in found if life is not None]

    def keep(self, child: Descriptor | None) -> None:
        """Keep all leases that are alive for a child, which has just been forked."""
        holds = [life.hold for life in self.alive()]  # type: ignore[attr-defined]
        if holds:
            self.kept.append((child, holds))

    def drop_ended_children(self) -> None:
        """Let go of what was kept for children that are gone."""
        if _over:
            _settle()
        if not self.kept:
            return
        poll = select.poll()  # by one system call: there may be many
        by_number = {each[0].fileno(): each for each in self.kept if each[0] is not None}
        for number in by_number:
            poll.register(number, 0)
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
    """Return what makes leases of all arenas of a size.

    A class refers to itself: one for each arena would stay where the garbage collector is off.
    """

    class Array(kind):  # type: ignore[misc]
        __slots__ = ("life",)

    return Array.from_buffer  # type: ignore[no-any-return]


def _before_fork() -> None:
    try:
        defer_sigint(_look_around)
    except BaseException:  # of a signal handler: Python prints it, and the fork goes on
        _look_around()
        raise


def _look_around() -> None:
    """Take note of what a forked child will have. It can be done twice."""
    global _forking, _child  # noqa: PLW0603  of this process
    _settle()
    _forking = []  # from now on, none ends unnoticed
    for views in alive(_live):
        views.drop_ended_children()
        _forking += views.alive()
    if _live and _child is None:
        with suppress(OSError):
            # Not 0, 1 or 2: in the child, nobody reads what is printed to the latter.
            read, write = with_standard_filled(os.pipe)
            _child = Descriptor(read), write


def _settle() -> None:
    """Keep for a forked child what it has too, unless another thread is just forking."""
    defer_sigint(partial(try_lock, _lock, _settle_now))


def _settle_now() -> None:
    global _forking, _child  # noqa: PLW0603  as above
    if not _over:
        return
    try:
        _over.clear()  # a signal handler may look, too
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
    """Keep nothing in the child: it gives nothing back. It keeps its end of the pipe open."""
    global _forking, _child  # noqa: PLW0603  as above
    for views in alive(_live):
        views.forget()
    _over.clear()
    _forking = _child = None
    _lock.release()


# Hooks run before a fork in reverse order, and after it in this order.
at_fork(before=_before_fork, after_in_parent=partial(_over.append, None))
at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child)
