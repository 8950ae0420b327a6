"""Who owns which file descriptor.

The end of a stream is how either side learns that the other is gone, so an end of a pipe must
be held by one side alone. Descriptors are close-on-exec (`os.pipe` sees to that), which is
enough for spawned children. A forked child inherits all of them, so it closes them before
anything else runs in it, whoever forked: the ``fork`` start method, `os.fork`, another thread.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager
from weakref import WeakSet

from ..errors import ChannelClosedError
from .interrupts import held_back, with_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol, TypeVar

    T = TypeVar("T")

    class Closable(Protocol):
        """What owns file descriptors."""

        def close(self) -> None:
            """Close them, once."""


# Reentrant, since a Descriptor may be collected, and so closed, while this thread holds it. Ctrl-C
# is held back with it: it would leave descriptors without an owner.
_lock = threading.RLock()
_live: WeakSet[Closable] = WeakSet()
_bequest = threading.local()


def _guarded(work: Callable[[], T]) -> T:
    return held_back(lambda: with_lock(_lock, work))


class Descriptor:
    """One file descriptor with one owner; closed with it, or when the owner says so."""

    __slots__ = ("__weakref__", "_fd")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        _guarded(lambda: _live.add(self))

    @property
    def closed(self) -> bool:
        """Whether `close` was called, here or because the process was forked."""
        return self._fd < 0

    def fileno(self) -> int:
        """Return the number.

        Raises:
            ChannelClosedError: it is closed.
        """
        if self._fd < 0:
            raise ChannelClosedError("this end of the channel is closed")
        return self._fd

    def close(self) -> None:
        """Close it, once."""
        _guarded(self._close)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                if error.errno != errno.EBADF:  # other code has closed all that it found
                    raise

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()


def pipe() -> tuple[Descriptor, Descriptor]:
    """Make a pipe: the end to read from and the end to write to."""

    def make() -> tuple[Descriptor, Descriptor]:
        read, write = os.pipe()
        return Descriptor(read), Descriptor(write)

    return _guarded(make)  # a fork in another thread waits until both ends are on record


def opened(opener: Callable[[], int]) -> Descriptor:
    """Own the descriptor that a function opens."""
    return _guarded(lambda: Descriptor(opener()))  # as above


def adopt(owner: Closable, opener: Callable[[], object]) -> None:
    """Close what owns descriptors in forked children too.

    Args:
        owner: what owns them.
        opener: what opens them.
    """

    def open_it() -> None:
        _live.add(owner)
        opener()

    _guarded(open_it)  # as above


def check_room(count: int, descriptor: Descriptor) -> None:
    """Check that so many more descriptors can be had.

    Args:
        count: how many.
        descriptor: any one.

    Raises:
        OSError: there are not so many.
    """
    spare: list[int] = []

    def look() -> None:
        try:
            for _ in range(count):
                spare.append(os.dup(descriptor.fileno()))  # noqa: PERF401  some may fail
        finally:
            for fd in spare:
                os.close(fd)

    _guarded(look)  # no fork comes in between


class Bell:
    """Wakes a thread of this process that waits with `poll`."""

    __slots__ = ("_read", "_write")

    def __init__(self) -> None:
        if hasattr(os, "eventfd"):
            self._read = self._write = opened(lambda: os.eventfd(0, os.EFD_CLOEXEC))
        else:  # pragma: no cover  not Linux
            self._read, self._write = pipe()

    def fileno(self) -> int:
        """Return the number that becomes readable."""
        return self._read.fileno()

    def ring(self) -> None:
        """Make it readable, until `hush`."""
        try:
            os.write(self._write.fileno(), b"\1" + bytes(7))  # eventfd takes 8 bytes
        except (ChannelClosedError, OSError):
            pass  # closed already, and so heard

    def hush(self) -> None:
        """Make it unreadable again; it must have been rung."""
        try:
            os.read(self._read.fileno(), 1 << 12)
        except (ChannelClosedError, OSError):
            pass  # closed

    def close(self) -> None:
        """Close it, once."""
        self._read.close()
        self._write.close()


@contextmanager
def bequeathed(heirlooms: Sequence[Descriptor]) -> Iterator[None]:
    """Let a child that this thread forks meanwhile keep some descriptors."""
    _bequest.heirlooms = heirlooms
    try:
        yield
    finally:
        _bequest.heirlooms = ()


def _close_in_child() -> None:
    kept = {id(descriptor) for descriptor in getattr(_bequest, "heirlooms", ())}
    for descriptor in list(_live):
        if id(descriptor) not in kept:
            descriptor.close()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_close_in_child
    )
