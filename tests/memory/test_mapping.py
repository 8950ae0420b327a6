"""Shared memory: both sides see the same, and no page is missing."""

import errno
import gc
import mmap
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from farside._memory import mapping as memory
from farside._memory.creating import create
from farside._memory.mapping import HEADER_BYTES, SECOND_PART, SLOTS, Mapping
from farside._system.descriptors import Descriptor
from tests.children import forked, run_python

ARENA = 1 << 20


def test_the_arena_takes_no_room_before_it_is_committed(shared: Descriptor) -> None:
    status = os.fstat(shared.fileno())
    assert status.st_size == HEADER_BYTES + ARENA
    assert status.st_blocks * 512 == HEADER_BYTES
    assert Mapping(shared.fileno()).commit(ARENA // 2)
    assert os.fstat(shared.fileno()).st_blocks * 512 == HEADER_BYTES + ARENA // 2


def test_a_mapping_has_its_parts_where_they_belong(shared: Descriptor) -> None:
    mapping = Mapping(shared.fileno())
    parts = (mapping.control, mapping.flags, mapping.sizes, mapping.arena)
    assert [(part.format, part.nbytes) for part in parts] == [
        ("Q", 4096),
        ("B", SLOTS),
        ("Q", 8 * SLOTS),
        ("B", ARENA),
    ]
    assert mapping.arena_bytes == ARENA
    assert not any(any(bytes(part)) for part in parts)
    mapping.control[511] = 2**64 - 1
    mapping.flags[0], mapping.flags[SLOTS - 1] = 2, 3
    mapping.sizes[0], mapping.sizes[SLOTS - 1] = 6, 7
    mapping.arena[0], mapping.arena[ARENA - 1] = 4, 5
    content = os.pread(shared.fileno(), HEADER_BYTES + ARENA, 0)
    assert {i: byte for i, byte in enumerate(content) if byte} == {
        **dict.fromkeys(range(4088, 4096), 255),
        4096: 2,
        4095 + SLOTS: 3,
        4096 + SLOTS: 6,
        4096 + 9 * SLOTS - 8: 7,
        HEADER_BYTES: 4,
        HEADER_BYTES + ARENA - 1: 5,
    }


def test_two_mappings_of_one_process_share(shared: Descriptor) -> None:
    one, other = Mapping(shared.fileno()), Mapping(shared.fileno())
    one.arena[7:12] = b"hello"
    one.control[3] = 33
    assert bytes(other.arena[7:12]) == b"hello"
    assert other.control[3] == 33


def test_two_processes_share(shared: Descriptor) -> None:
    script = """\
import os, sys
from farside._memory.mapping import Mapping
fd = os.open(sys.argv[1], os.O_RDWR)
mapping = Mapping(fd)
mapping.arena[:5] = mapping.arena[5:10]
mapping.flags[9] = 1
print(mapping.arena_bytes)
"""
    mapping = Mapping(shared.fileno())
    mapping.arena[5:10] = b"hello"
    path = f"/proc/{os.getpid()}/fd/{shared.fileno()}"
    assert run_python(script, path) == f"{ARENA}\n"
    assert bytes(mapping.arena[:5]) == b"hello"
    assert mapping.flagged() == [9]


def test_a_forked_child_keeps_its_views_and_not_the_descriptor(shared: Descriptor) -> None:
    mapping = Mapping(shared.fileno())
    mapping.arena[:5] = b"hello"

    def check() -> None:
        assert shared.closed
        assert bytes(mapping.arena[:5]) == b"hello"

    assert forked(check) == 0


def test_views_outlive_mapping_and_descriptor(shared: Descriptor) -> None:
    view = Mapping(shared.fileno()).arena[10:20]
    view[:] = b"0123456789"
    shared.close()
    gc.collect()
    assert bytes(view) == b"0123456789"


def test_a_mapping_keeps_no_view_of_what_is_gone(shared: Descriptor) -> None:
    def mapped() -> bool:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return any(line.split(maxsplit=5)[4:] == [inode, name] for line in lines)

    inode = str(os.fstat(shared.fileno()).st_ino)
    name = os.readlink(f"/proc/self/fd/{shared.fileno()}")
    mapping = Mapping(shared.fileno())
    assert mapped()
    part = mapping.control
    del mapping
    assert mapped()
    del part
    assert not mapped()


def test_without_an_arena() -> None:
    shared = create(0)[0]
    mapping = Mapping(shared.fileno())
    shared.close()
    assert mapping.arena_bytes == mapping.arena.nbytes == 0
    assert mapping.commit(0)
    assert not mapping.commit(1)
    mapping.control[0] = 1


def test_flags_are_found_in_order(shared: Descriptor) -> None:
    mapping = Mapping(shared.fileno())
    mapping.control[511] = 2**64 - 1
    mapping.arena[:4] = b"\1\1\1\1"
    mapping.control[0] = 0x0101010101010101
    assert mapping.flagged() == []
    for slot in (0, 7, SLOTS - 1):
        mapping.flags[slot] = 1
    mapping.flags[3] = 2
    assert mapping.flagged() == [0, 7, SLOTS - 1]
    mapping.flags[7] = 0
    assert mapping.flagged() == [0, SLOTS - 1]
    mapping.sizes[0], mapping.sizes[3], mapping.sizes[SLOTS - 1] = 1, 2, 4
    assert mapping.given_back() == 5


@pytest.mark.parametrize("missing", ["posix_fallocate", "nothing"])
def test_commit_keeps_what_was_written(
    shared: Descriptor, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, missing, raising=False)
    if missing == "posix_fallocate":
        monkeypatch.setattr(memory, "_STEP", 5000)
    mapping = Mapping(shared.fileno())
    assert mapping.commit(4096)
    mapping.arena[:4096] = b"x" * 4096
    assert mapping.commit(100)
    assert mapping.commit(ARENA - 1)
    assert mapping.commit(ARENA)
    assert not mapping.commit(ARENA + 1)
    assert os.fstat(shared.fileno()).st_blocks * 512 == HEADER_BYTES + ARENA
    assert os.fstat(shared.fileno()).st_size == HEADER_BYTES + ARENA
    assert bytes(mapping.arena) == b"x" * 4096 + bytes(ARENA - 4096)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has none")
def test_no_step_of_a_commit_takes_long(
    shared: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older Linux begins a step anew after each signal: of a timer, for example."""
    real, steps = os.posix_fallocate, list[int]()

    def note(fd: int, start: int, count: int) -> None:
        steps.append(count)
        real(fd, start, count)

    monkeypatch.setattr(os, "posix_fallocate", note)
    monkeypatch.setattr(memory, "_STEP", ARENA // 4)
    mapping = Mapping(shared.fileno())
    assert mapping.commit(4096)
    assert mapping.commit(ARENA)
    assert sum(steps) == ARENA
    assert max(steps) == ARENA // 4


def test_a_commit_for_which_there_is_no_room_takes_none(
    shared: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(f_blocks=100, f_bavail=20, f_frsize=4096)
    monkeypatch.setattr(os, "fstatvfs", lambda _: room)
    monkeypatch.setattr(memory, "_STEP", 4096)
    mapping = Mapping(shared.fileno())
    assert not mapping.commit(21 * 4096)
    assert os.fstat(shared.fileno()).st_blocks * 512 == HEADER_BYTES
    assert mapping.commit(20 * 4096)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has none")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM, errno.EINVAL, errno.EOPNOTSUPP])
def test_commit_says_no_when_there_is_no_room(
    shared: Descriptor, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.posix_fallocate

    def scarce(fd: int, start: int, count: int) -> None:
        if start + count > HEADER_BYTES + 8192:
            raise OSError(code, os.strerror(code))
        real(fd, start, count)

    monkeypatch.setattr(os, "posix_fallocate", scarce)
    mapping = Mapping(shared.fileno())
    assert mapping.commit(4096)
    assert not mapping.commit(8193)
    assert mapping.commit(8192)
    assert not mapping.commit(12288)
    monkeypatch.setattr(os, "posix_fallocate", real)
    assert mapping.commit(12288)


def test_a_mapping_that_cannot_be_had_is_an_error() -> None:
    script = """\
import resource
from farside._memory.creating import create
from farside._memory.mapping import Mapping
shared = create(1 << 32)[0]
resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
try:
    Mapping(shared.fileno())
except OSError as error:
    print(error.strerror)
"""
    assert run_python(script) == "Cannot allocate memory\n"


def test_what_mapping_imports() -> None:
    script = """\
import sys, os, mmap, errno, farside
before = set(sys.modules)
import farside._memory
import farside._memory.mapping
print(*sorted(set(sys.modules) - before))
"""
    assert run_python(script) == "farside._memory farside._memory.mapping\n"


def test_the_worker_maps_what_it_can(shared: Descriptor, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mmap.mmap

    def limited(fd: int, size: int, **options: bool) -> mmap.mmap:
        if size > HEADER_BYTES + ARENA // 2:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return whole(fd, size, **options)

    monkeypatch.setattr(mmap, "mmap", limited)
    assert memory.map_what_fits(shared.fileno()).arena_bytes == 0  # less is not worth it


def test_two_parts_have_nothing_in_common() -> None:
    made = create(ARENA + 1, both=True)[0]
    mapping = Mapping(made.fileno())
    second = mapping.second
    assert second is not None
    assert mapping.control[SECOND_PART] % HEADER_BYTES == 0  # it too begins at a page
    assert HEADER_BYTES + mapping.arena_bytes == mapping.control[SECOND_PART]
    for part in (mapping, second):
        assert part.arena_bytes >= ARENA
        assert part.commit(1000)
    assert not second.commit(second.arena_bytes + 1)
    mapping.arena[:3], second.arena[:3] = b"one", b"two"
    second.flags[7] = 1
    again = Mapping(made.fileno())
    assert again.second is not None
    assert (bytes(again.arena[:3]), bytes(again.second.arena[:3])) == (b"one", b"two")
    assert (again.flagged(), again.second.flagged()) == ([], [7])
    made.close()


def test_without_room_for_both_parts_the_other_side_hears_of_it() -> None:
    made = create(ARENA, both=True)[0]
    mapping = Mapping(made.fileno())
    assert mapping.control[SECOND_PART] == HEADER_BYTES + ARENA
    assert Mapping(made.fileno(), ARENA // 4).second is None
    assert mapping.control[SECOND_PART] == 0
    made.close()
