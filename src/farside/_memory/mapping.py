"""Memory that parent and worker share: an anonymous file, which each side maps by itself.

It has no name, so nothing is left behind however both sides end. It has its full size from the
start, but is sparse: only what was committed takes memory (or disk, where it is a temporary file).

The mapping begins with a header of fixed size, then comes the arena::

    control block (512 words of 64 bits) | flags (a byte for each slot) |
    sizes (a word for each slot) | reserved | arena …

The users of the words and flags define what they mean, except for one word: where a second part of
the same form begins. The worker writes to the arena of the first part, the parent to that of the
second.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

CONTROL_BYTES = 4096
SLOTS = 4096
HEADER_BYTES = 65_536  # the arena begins here: at a page, whether pages have 4, 16 or 64 KiB
SECOND_PART = 64
"""A word of the control block: where the second part begins; 0 if there is none, or not all of it
could be mapped. Written before the worker starts, and by the worker while it starts."""

_FLAGS_END = CONTROL_BYTES + SLOTS
_SIZES_END = _FLAGS_END + 8 * SLOTS
_STEP = 1 << 20  # bytes; the system takes some 0.2 ms to make them

_TOO_MUCH = {errno.ENOMEM, errno.EFBIG, errno.ENOSPC, errno.EAGAIN}
"""EAGAIN: after ``mlockall``, no more memory of this process may be locked."""
_WORTH_IT = 1 << 20  # an arena that is smaller holds hardly anything


def map_what_fits(fd: int) -> Mapping:
    """Map shared memory; leave out the end of it if there is no address space for that."""
    return largest(lambda nbytes: Mapping(fd, nbytes), os.fstat(fd).st_size - HEADER_BYTES)


def largest(make: Callable[[int], T], arena_bytes: int) -> T:
    """Call `make` with the size of an arena; with a smaller one if the system refuses that."""
    while True:
        try:
            return make(arena_bytes)
        except OSError as error:
            if not arena_bytes or error.errno not in _TOO_MUCH:
                raise
            arena_bytes = arena_bytes // 4 if arena_bytes > _WORTH_IT else 0


def reserve(fd: int, start: int, count: int) -> None:
    """Reserve memory or disk blocks for a part of the file that nothing was written to yet.

    Otherwise, touching a page that cannot be had would raise SIGBUS, which nobody could handle.

    Up to Linux 6.9, any signal breaks an allocation off, which then begins anew. With a timer that
    is faster than it, as profilers have, it would never end, so it is done in steps. If there is no
    room for all of it, nothing is taken from others: a temporary file may lie in memory too.
    """
    room = os.fstatvfs(fd)
    if room.f_blocks and room.f_bavail * room.f_frsize < count:  # a memfd has no such limit
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    end = start + count
    while start < end:
        size = min(end - start, _STEP)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, start, size)
        else:
            size = os.pwrite(fd, bytes(size), start)
        start += size


class Mapping:
    """Shared memory as one side sees it. Views keep it; `commit` needs the file to be open."""

    __slots__ = (
        "_committed", "_find", "_flags", "_flags_end", "_mapped", "_start", "arena", "arena_bytes",
        "control", "fileno", "flags", "second", "sizes",
    )  # fmt: skip

    def __init__(self, fd: int, arena_bytes: int | None = None) -> None:
        size = os.fstat(fd).st_size if arena_bytes is None else HEADER_BYTES + arena_bytes
        # Before 3.13 a mapping keeps a duplicate of the descriptor.
        if sys.version_info >= (3, 13):
            mapped = mmap.mmap(fd, size, trackfd=False)
        else:
            mapped = mmap.mmap(fd, size)
        self.fileno: Callable[[], int] = lambda: fd
        self.second: Mapping | None = None  # the second part, if there is one
        word = mapped[8 * SECOND_PART : 8 * SECOND_PART + 8]
        second = int.from_bytes(word, sys.byteorder)
        self._begin(mapped, 0, second or size)
        if second and size == os.fstat(fd).st_size:
            self.second = made = object.__new__(type(self))
            made.fileno, made.second = self.fileno, None
            made._begin(mapped, second, size)
        elif second:  # not all of it could be mapped
            self.control[SECOND_PART] = 0

    def _begin(self, mapped: mmap.mmap, start: int, end: int) -> None:
        self._mapped, self._find = mapped, mapped.find
        self._start = start
        self._flags = start + CONTROL_BYTES
        self._flags_end = start + _FLAGS_END
        self._committed = 0
        whole = memoryview(mapped)[start:end]
        self.control: memoryview[int] = whole[:CONTROL_BYTES].cast("Q")
        self.flags: memoryview[int] = whole[CONTROL_BYTES:_FLAGS_END]
        self.sizes: memoryview[int] = whole[_FLAGS_END:_SIZES_END].cast("Q")
        self.arena: memoryview[int] = whole[HEADER_BYTES:]
        self.arena_bytes: int = len(self.arena)

    def flagged(self) -> list[int]:
        """Return the slots whose flag is 1, in order."""
        find, first, end = self._find, self._flags, self._flags_end
        found: list[int] = []
        at = first - 1
        while (at := find(b"\1", at + 1, end)) >= 0:
            found.append(at - first)
        return found

    def given_back(self) -> int:
        return sum([self.sizes[slot] for slot in self.flagged()])

    def commit(self, upto: int) -> bool:
        """Make the bytes before `upto` usable; return whether they are. Only one side may do so."""
        if upto <= self._committed:
            return True
        if upto > self.arena_bytes:
            return False
        try:
            start = self._start + HEADER_BYTES + self._committed
            reserve(self.fileno(), start, upto - self._committed)
        except OSError:
            return False
        self._committed = upto
        return True

    def release(self) -> bool:
        """Give the arena's memory back; False if the system cannot. For the side that commits."""
        try:
            self._mapped.madvise(mmap.MADV_REMOVE, self._start + HEADER_BYTES, self._committed)
        except (AttributeError, OSError):  # on macOS, or on a file system that has no holes
            return False
        self._committed = 0
        return True
