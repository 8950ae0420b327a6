"""Memory to be shared is made: it has no name, a fixed size, and as much room as can be had."""

import errno
import mmap
import os
import resource
import tempfile

import pytest

from farside import BackendUnavailableError
from farside._memory import creating
from farside._memory.creating import create, share
from farside._memory.mapping import HEADER_BYTES
from farside._system.descriptors import Descriptor
from tests.children import run_python
from tests.memory.conftest import ARENA


def test_no_memfd_and_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with pytest.raises(BackendUnavailableError, match="TMPDIR"):
        create(ARENA)


def test_the_descriptor_is_closed_on_exec(shared: Descriptor) -> None:
    assert not os.get_inheritable(shared.fileno())


def test_nobody_can_cut_it(shared: Descriptor) -> None:
    if not os.readlink(f"/proc/self/fd/{shared.fileno()}").startswith("/memfd:"):
        return  # files have no seals
    for size in (0, HEADER_BYTES + ARENA + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(shared.fileno(), size)


def test_it_has_no_name(shared: Descriptor) -> None:
    assert os.fstat(shared.fileno()).st_nlink == 0


@pytest.mark.parametrize("both", [False, True])
def test_each_header_has_memory(*, both: bool) -> None:
    """Else SIGBUS would end a side that touches it where none is left."""
    shared, mapping = create(ARENA, both=both)
    assert (mapping.second is not None) is both
    assert os.fstat(shared.fileno()).st_blocks * 512 >= (1 + both) * HEADER_BYTES
    shared.close()


@pytest.mark.parametrize("missing", ["memfd_create", "nothing"])
def test_a_size_that_cannot_be_had_is_an_error(missing: str) -> None:
    script = """\
import errno, os, resource, sys
from farside._memory.creating import create
if hasattr(os, sys.argv[1]):
    delattr(os, sys.argv[1])
create(1000)
before = os.listdir("/proc/self/fd")
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    create(1 << 20)
except OSError as error:
    print(error.errno == errno.EFBIG, os.listdir("/proc/self/fd") == before)
"""
    assert run_python(script, missing) == "True True\n"


def test_a_header_without_room_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _start: int, _count: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(OSError, match="full"):
            create(ARENA)


@pytest.mark.parametrize(("fits", "arena_bytes"), [(1 << 26, 1 << 26), (1 << 20, 1 << 20), (0, 0)])
def test_the_arena_is_smaller_where_files_are(
    monkeypatch: pytest.MonkeyPatch, fits: int, arena_bytes: int
) -> None:
    cut = os.ftruncate

    def limited(fd: int, size: int) -> None:
        if size > HEADER_BYTES + fits:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        cut(fd, size)

    monkeypatch.setattr(os, "ftruncate", limited)
    shared, mapping = share(1 << 30)
    assert mapping.arena_bytes == arena_bytes
    shared.close()


LOCKED = """\
import ctypes, os, resource
from farside._memory.creating import share
share(1 << 20)  # imports what is needed: the next user may not be allowed to read it
resource.setrlimit(resource.RLIMIT_MEMLOCK, (6 << 20, 6 << 20))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)  # the limit does not hold for root
MCL_FUTURE = 2
assert ctypes.CDLL(None).mlockall(MCL_FUTURE) == 0
shared, mapping = share(1 << 30)
print(0 < mapping.arena_bytes < 6 << 20)
"""


def test_the_arena_is_smaller_where_all_memory_is_locked() -> None:
    """The system says EAGAIN then, and not ENOMEM."""
    assert run_python(LOCKED) == "True\n"


def test_no_memory_that_may_be_locked_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(mmap, "mmap", limited)
    with pytest.raises(BackendUnavailableError, match=r"mlockall.*ulimit -l"):
        share(1 << 30)


def test_an_arena_leaves_most_of_the_address_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "_address_space", lambda: 1 << 30)
    shared, mapping = share(1 << 30)
    assert mapping.arena_bytes == 1 << 27
    shared.close()


def test_a_policy_that_forbids_to_ask_for_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", refuse)
    shared, mapping = share(ARENA)
    assert mapping.arena_bytes == ARENA
    shared.close()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_a_policy_that_forbids_shared_memory(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(BackendUnavailableError, match=r"no shared memory .*sandbox"):
        share(ARENA)


def test_no_room_for_the_header_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(*_: int) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(os, "ftruncate", limited)
    with pytest.raises(BackendUnavailableError, match=r"no file of .*ulimit -f"):
        share(1 << 30)


def test_no_space_for_the_header_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(BackendUnavailableError, match=r"no space left for it; .*TMPDIR"):
        share(1 << 30)
