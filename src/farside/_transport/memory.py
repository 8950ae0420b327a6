"""Memory that parent and worker share: an anonymous file, which each side maps by itself.

It has no name, so nothing is left behind however both sides end. It is as large as it may ever
become, and sparse: only what was committed takes memory (or disk, where it is a temporary file).

The mapping begins with a header of fixed size, then comes the arena::

    board (512 words of 64 bits) | flags (a byte for each slot) | reserved | arena …

What the words and the flags mean is up to those who use them.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .descriptors import Descriptor

BOARD_BYTES = 4096
SLOTS = 4096
HEADER_BYTES = 65_536
"""The arena begins here: at a page, whatever size pages have (4, 16 or 64 KiB)."""

_FLAGS_END = BOARD_BYTES + SLOTS
_ZEROS = 1 << 20


_NONE_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Of descriptors, or of memory: there is none for a file either."""


def create(arena_bytes: int) -> Descriptor:
    """Make shared memory.

    Raises:
        OSError: no file descriptors are left, or this size cannot be had.
    """
    from .descriptors import opened  # the worker only maps

    memory = opened(_open_anonymous)
    try:
        os.ftruncate(memory.fileno(), HEADER_BYTES + arena_bytes)
        _reserve(memory.fileno(), 0, HEADER_BYTES)
        _seal(memory.fileno())
    except BaseException:
        memory.close()
        raise
    return memory


def _open_anonymous() -> int:
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("farside", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as error:
            if error.errno in _NONE_LEFT:
                raise
            # The kernel is old, or a policy forbids it.
    return _open_file()


def _open_file() -> int:
    import tempfile  # heavy, and needed without memfd only

    with tempfile.TemporaryFile(prefix="farside-") as file:
        return os.dup(file.fileno())  # close-on-exec too


def _seal(fd: int) -> None:
    """Fix the size of a memfd: where one side cut it, touching the rest would kill the other."""
    import fcntl  # the worker only maps

    if hasattr(fcntl, "F_ADD_SEALS"):
        try:
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        except OSError:
            pass  # it is a temporary file


def _reserve(fd: int, start: int, count: int) -> None:
    """Have memory or blocks for a part of the file that nothing was written to yet.

    Without, touching a page that cannot be had is no error to handle but SIGBUS.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, start, count)
        return
    zeros = memoryview(bytes(min(count, _ZEROS)))
    end = start + count
    while start < end:
        start += os.pwrite(fd, zeros[: end - start], start)


class Mapping:
    """Shared memory as one side sees it; there for as long as any view of it.

    The descriptor stays the caller's, and must stay open for `commit` alone.
    """

    __slots__ = ("_committed", "_fd", "_find", "arena", "arena_bytes", "board", "flags")

    def __init__(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        # Before 3.13 a mapping keeps a duplicate of the descriptor.
        if sys.version_info >= (3, 13):
            mapped = mmap.mmap(fd, size, trackfd=False)
        else:
            mapped = mmap.mmap(fd, size)
        self._fd = fd
        self._find = mapped.find
        self._committed = 0
        whole = memoryview(mapped)
        self.board: memoryview[int] = whole[:BOARD_BYTES].cast("Q")
        self.flags: memoryview[int] = whole[BOARD_BYTES:_FLAGS_END]
        self.arena: memoryview[int] = whole[HEADER_BYTES:]
        self.arena_bytes: int = size - HEADER_BYTES

    def find_flag(self, start: int) -> int:
        """Return the first slot from `start` on (0 or greater) whose flag is 1; -1 if none is."""
        found = self._find(b"\1", BOARD_BYTES + start, _FLAGS_END)
        return -1 if found < 0 else found - BOARD_BYTES

    def commit(self, upto: int) -> bool:
        """Make sure that the arena's bytes before `upto` can be touched.

        Only one side may do this.

        Returns:
            False if there is no room for them: then they must be left alone.
        """
        if upto <= self._committed:
            return True
        if upto > self.arena_bytes:
            return False
        try:
            _reserve(self._fd, HEADER_BYTES + self._committed, upto - self._committed)
        except OSError:
            return False
        self._committed = upto
        return True
