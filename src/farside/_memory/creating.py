"""Makes the memory that parent and worker share. The parent does this; its worker only maps it."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import sys
from contextlib import suppress

from .._system.descriptors import Descriptor, opened
from ..errors import BackendUnavailableError
from .mapping import HEADER_BYTES, SECOND_PART, Mapping, largest, reserve

_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.ENOSYS}


def create(arena_bytes: int, *, both: bool = False) -> tuple[Descriptor, Mapping]:
    """Make and map shared memory with an arena of a size; with `both`, with two such parts.

    Raise OSError if no descriptors are left, or not so much memory, and `BackendUnavailableError`
    if there is no place for it.
    """
    memory = opened(_open_anonymous)
    fd, part = memory.fileno(), HEADER_BYTES + arena_bytes
    part += -part % HEADER_BYTES if both else 0
    try:
        os.ftruncate(fd, part * (1 + both))
        reserve(fd, 0, HEADER_BYTES)
        if both:
            reserve(fd, part, HEADER_BYTES)
            os.pwrite(fd, part.to_bytes(8, sys.byteorder), 8 * SECOND_PART)
        # If one side shortened a memfd, the other would die of touching the part that is gone.
        with suppress(AttributeError, OSError):  # not Linux; it is a temporary file
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return memory, Mapping(fd)
    except BaseException:
        memory.close()
        raise


def share(arena_bytes: int, *, both: bool = False) -> tuple[Descriptor, Mapping]:
    """Make shared memory and map it, with a smaller arena if there is no room for so much.

    Address space may be limited, and so may the size of files. An arena takes an eighth of the
    address space that is left, at most, as the program needs some too. If not even the header can
    be had, raise OSError, or `BackendUnavailableError`, which tells what to do about it.
    """
    try:
        most = min(arena_bytes, _address_space() // (16 if both else 8))
        return largest(lambda nbytes: create(nbytes, both=both and nbytes > 0), most)
    except OSError as error:
        if error.errno == errno.EFBIG:
            reason = f"no file of {HEADER_BYTES} bytes may be written"
            cure = "raise the limit on the size of files (ulimit -f)"
        elif error.errno == errno.EAGAIN:
            reason = "all memory of this process is locked (mlockall), and no more may be"
            cure = "raise the limit on locked memory (ulimit -l)"
        elif error.errno in _FORBIDDEN:
            reason = f"the system refuses it ({error})"
            cure = "let the sandbox, or the policy of the container, allow it"
        elif error.errno == errno.ENOSPC:
            reason = "there is no space left for it"
            cure = (
                "free memory, or room for temporary files (TMPDIR) where there is no memfd_create"
            )
        else:
            raise
        raise _unavailable(reason, cure) from error


def _unavailable(reason: str, cure: str) -> BackendUnavailableError:
    return BackendUnavailableError(f"no shared memory can be had: {reason}; {cure}", reason=reason)


def _address_space() -> int:
    limit = resource.RLIM_INFINITY
    with suppress(OSError):  # a policy forbids to ask
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        used = 0
    return max(0, limit - used)


def _open_anonymous() -> int:
    if hasattr(os, "memfd_create"):
        try:
            return os.memfd_create("farside", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise  # no descriptors are left, or no memory: no file could be made either
            # The kernel is old, or a policy forbids it.
    return _open_file()


def _open_file() -> int:
    import tempfile  # heavy, and needed without memfd only

    try:
        with tempfile.TemporaryFile(prefix="farside-") as file:
            return os.dup(file.fileno())  # close-on-exec too
    except FileNotFoundError as error:
        reason = f"there is neither memfd_create nor a folder for temporary files ({error})"
        raise _unavailable(reason, "let TMPDIR name one that can be written to") from error
