"""Records which file descriptors farside owns, and closes them in forked children.

The end of a stream is how either side learns that the other is gone, so an end of a pipe must
be held by one side alone. Descriptors are close-on-exec (`os.pipe` makes them so), which is
enough for spawned children. A forked child inherits all of them, so it closes them before
anything else runs in it, whoever forked: the ``fork`` start method, `os.fork`, another thread.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from operator import methodcaller
from weakref import WeakSet

from .._in_c import partial
from ..errors import LinkClosedError
from .signals import at_fork, defer_signals, try_lock
from .standard import above_standard, closed_standard, fill_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    T = TypeVar("T")


# Reentrant, since a Descriptor may be collected, and so closed, while this thread has the lock.
# Ctrl-C is held back meanwhile, since it would leave descriptors without an owner.
_lock = threading.RLock()
_PATIENCE = 0.1
"""How many seconds to wait for the lock. A thread that has it for longer is running user code: a
finalizer that the collector calls, or a signal handler. This may wait for the very thread that
wants the lock, as `close()` does for that of a subinterpreter. So the other thread goes on without
the lock: the first one does not fork meanwhile, and threads that fork wait for the lock too."""
_live: WeakSet[Descriptor] = WeakSet()
_inheriting = threading.local()
_fillers = 0
_filled: list[int] = []  # which descriptors are open only since there are fillers


def _guarded(work: Callable[[], T]) -> T:
    return defer_signals(lambda: _with_patience(work))


def _with_patience(work: Callable[[], T]) -> T:
    done = try_lock(_lock, lambda: (work(),), _PATIENCE)
    return work() if done is None else done[0]


class Descriptor:
    """One file descriptor with one owner, who closes it; it is also closed when it is dropped.

    The owner is made before `fd` is opened and set. In the other order the descriptor would have no
    owner where there is no memory for one.
    """

    __slots__ = ("__weakref__", "_users", "closed", "fd")

    def __init__(self) -> None:
        # Whether `close` was called, here or because the process was forked.
        self.closed: bool = False
        self._users: set[object] = set()  # a token for each `use` that has not come to its end
        self.fd: int = -1
        _guarded(lambda: _live.add(self))

    def fileno(self) -> int:
        if self.closed:
            raise LinkClosedError("this end of the link is closed")
        return self.fd

    def use(self, work: Callable[[int], T]) -> T:
        """Call `work` with the number, while another thread may call `close`.

        Then the last user closes the descriptor. Otherwise a file that the program opens meanwhile
        could get the number, and the work would be done on that.
        """
        token = object()
        try:
            self._users.add(token)
            return work(self.fileno())  # after `add`: `close` uses the opposite order
        finally:
            self._users.discard(token)
            if self.closed and not self._users:
                self.close_now()

    def close(self) -> None:
        self.closed = True
        if not self._users:
            self.close_now()

    def close_now(self) -> None:
        """Close the descriptor, even if somebody uses it."""
        self.closed = True
        try:
            _guarded(self._close)
        except MemoryError:  # for the guard: who closes has to be able to go on
            self._close()

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                # Closed it is, whatever the system says: other code may have done so, or the memory
                # is a file on a network, which has no room for what was written to it.
                if error.errno is None:  # it is that of a signal handler
                    raise

    def __del__(self) -> None:
        # Nothing if it was closed: what Ctrl-C raises in a finalizer is lost.
        if getattr(self, "fd", -1) >= 0 and _guarded is not None:  # None: Python is ending
            self.close_now()


def pipe() -> tuple[Descriptor, Descriptor]:
    """Make a pipe: the end to read from and the end to write to."""
    read, write = Descriptor(), Descriptor()

    def make() -> None:
        read.fd, write.fd = os.pipe()

    _guarded(lambda: with_standard_filled(make))  # a fork elsewhere waits until both are set
    return read, write


def opened(opener: Callable[[], int]) -> Descriptor:
    owner = Descriptor()

    def make() -> None:
        owner.fd = above_standard(opener())

    _guarded(make)  # as above
    return owner


def check_room(count: int, descriptor: Descriptor) -> None:
    """Raise OSError unless `count` more descriptors can be had. Any `descriptor` will do."""
    spare = [-1] * count  # made before, as there may be no memory for it later

    def look() -> None:
        try:
            for index in range(count):
                spare[index] = os.dup(descriptor.fileno())
        finally:
            for fd in spare:
                if fd >= 0:
                    os.close(fd)

    _guarded(look)  # no fork comes in between


def with_standard_filled(work: Callable[[], T]) -> T:
    """Call `work`, which opens descriptors or starts a process, with 0, 1 and 2 open.

    So what it opens gets none of these numbers, and a process that it starts has all of them, even
    if some are closed here otherwise.
    """
    _guarded(_fill)
    try:
        return work()
    finally:
        _guarded(_empty)


def without_standard() -> list[int]:
    """Return which of the descriptors 0, 1 and 2 are closed, or are open only for a moment."""
    return _guarded(lambda: [*closed_standard(), *_filled])


def _fill() -> None:
    global _fillers  # noqa: PLW0603  the descriptors are those of the whole process
    if not _fillers:
        _filled.extend(fill_standard())
    _fillers += 1


def _empty() -> None:
    global _fillers  # noqa: PLW0603  as above
    _fillers -= 1
    if not _fillers:
        while _filled:
            os.close(_filled.pop())


@contextmanager
def inherited(ends: Sequence[Descriptor]) -> Iterator[None]:
    """Let a child that this thread forks meanwhile keep some descriptors."""
    _inheriting.ends = ends
    try:
        yield
    finally:
        _inheriting.ends = ()


_forking = threading.local()  # its `end` releases the lock, if the thread has it


def _before_fork() -> None:
    _forking.end = bool
    held: list[bool] = []
    try:
        held.extend(filter(None, map(_lock.acquire, [True], [_PATIENCE])))  # as in `try_lock`
    finally:
        if held:
            _forking.end = _lock.release


def _close_in_child() -> None:
    global _lock  # noqa: PLW0603  the thread that may have it is not in this process
    _lock = threading.RLock()
    kept = {id(descriptor) for descriptor in getattr(_inheriting, "ends", ())}
    for descriptor in list(_live):
        if id(descriptor) not in kept:
            descriptor.close_now()  # threads that used it are not in this process


# The hook of the parent is C code. If it were Python code, the handler of a signal that came during
# the fork would run there. What it raises, Python would drop, so Ctrl-C would do nothing, and the
# lock would never be released.
at_fork(
    before=_before_fork,
    after_in_parent=partial(methodcaller("end"), _forking),
    after_in_child=_close_in_child,
)
