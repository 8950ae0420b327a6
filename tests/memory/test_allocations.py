"""Granted blocks: handed over as they lie there, and free when neither side has them any more."""

import errno
import gc
import os
import random
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from farside._memory import arena as arena_module
from farside._memory.allocations import Allocations
from farside._memory.arena import Arena
from farside._memory.creating import create
from farside._memory.leases import Leases
from farside._memory.mapping import Mapping
from farside._memory.parts import ALIGN, BLOCK_BYTES
from farside._payload import pickling
from farside._payload.decoder import decode
from farside._payload.encoder import Encoder
from farside._payload.items import ITEM_REFS, Group, Stored, pack
from tests.background import Background
from tests.children import exit_code, fork, run_python

ARENA = 1 << 20
SIZE = 100_000


class Sides(NamedTuple):
    """The memory as each side sees it."""

    arena: Arena
    leases: Leases

    @property
    def used(self) -> int:
        """Bytes in use, once the worker has looked what came back."""
        self.arena.claim(memoryview(bytearray(1)))
        return self.arena._allocator.used

    def grant(self, nbytes: int = SIZE) -> memoryview:
        view = self.arena.grant(nbytes)
        assert view is not None
        return view

    def claim(self, view: memoryview) -> memoryview | None:
        """Send a view; return what the parent has of it, or None if it has to be copied."""
        ref = self.arena.claim(view)
        return None if ref is None else self.leases.lend(*ref)


@pytest.fixture
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    shared = create(ARENA)[0]
    yield Sides(Arena(Mapping(shared.fileno())), Leases(Mapping(shared.fileno()), ARENA))
    shared.close()
    # Before 3.13 a mapping has a descriptor, and pytest keeps it for longer than it may be there.
    request.node.funcargs.clear()


def test_a_grant_is_a_writable_view_of_bytes(sides: Sides) -> None:
    view = sides.grant()
    assert (view.format, view.nbytes, view.shape) == ("B", SIZE, (SIZE,))
    assert view.c_contiguous
    assert not view.readonly
    other = sides.grant()
    view[:] = bytes([1]) * SIZE
    other[:] = bytes([2]) * SIZE
    assert set(view) == {1}


def test_it_is_handed_over_as_it_lies_there(sides: Sides) -> None:
    view = sides.grant()
    view[:3] = b"abc"
    received = sides.claim(view)
    assert received is not None
    assert (received.nbytes, bytes(received[:3])) == (SIZE, b"abc")
    view[0] = ord("A")
    received[1] = ord("B")
    assert bytes(received[:3]) == bytes(view[:3]) == b"ABc"


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (5, 77_777), (SIZE - 1, SIZE), (4096, SIZE)])
def test_a_part_of_it_is_handed_over(sides: Sides, start: int, stop: int) -> None:
    before, view, after = sides.grant(), sides.grant(), sides.grant()
    view[:] = bytes(range(250)) * (SIZE // 250)
    received = sides.claim(view[start:stop])
    assert received == view[start:stop]
    del before, after


def test_a_block_that_only_the_worker_has(sides: Sides) -> None:
    view = sides.grant()
    part: Any = np.frombuffer(view, "u1")[1:]
    del view
    gc.collect()
    assert sides.used >= SIZE
    del part
    assert sides.used == 0


def test_a_block_that_the_worker_leaves_first(sides: Sides) -> None:
    view = sides.grant()
    received = sides.claim(view)
    del view
    assert sides.used >= SIZE
    del received
    assert sides.used == 0


def test_a_block_that_the_parent_leaves_first(sides: Sides) -> None:
    view = sides.grant()
    received = sides.claim(view)
    del received
    assert sides.used >= SIZE
    del view
    assert sides.used == 0


def test_only_what_nobody_has_counts_as_given_back(sides: Sides) -> None:
    given_back = sides.arena._mapping.given_back
    stored = sides.arena.store([bytes(SIZE)], SIZE)
    assert stored
    sides.leases.lend(*stored)  # and nobody keeps it
    whole = given_back()
    assert whole >= SIZE
    sides.arena.settle()
    assert sides.arena._allocator.used == given_back() == 0
    view = sides.grant()
    sides.claim(view)
    assert given_back() == 0, "the worker still has it"
    assert sides.used == whole
    received = sides.claim(view)
    del view
    assert sides.used == whole
    del received
    assert given_back() == whole


def test_it_is_handed_over_again_after_it_came_back(sides: Sides) -> None:
    view = sides.grant()
    for number in range(3):
        received = sides.claim(view)
        assert received is not None
        assert sides.claim(view) is None  # the parent has it
        assert sides.claim(view[10:]) is None
        view[0] = number
        assert received[0] == number
        del received
    del view
    assert sides.used == 0


def test_an_item_that_is_not_sent_after_all(sides: Sides) -> None:
    view = sides.grant()
    ref = sides.arena.claim(view)
    assert ref is not None
    sides.arena.free(ref)
    assert sides.claim(view) is not None  # as if it had never been claimed
    del view
    assert sides.used == 0


def test_what_lies_elsewhere_is_not_handed_over(sides: Sides) -> None:
    elsewhere = memoryview(bytearray(SIZE))
    assert sides.arena.claim(elsewhere) is None
    view = sides.grant()
    assert sides.arena.claim(elsewhere) is None
    assert sides.arena.claim(view.toreadonly()) is None
    assert sides.arena.claim(view) is not None


def test_a_stored_block_is_not_taken_for_a_granted_one(sides: Sides) -> None:
    view = sides.grant()
    ref = sides.arena.store([bytes(SIZE)], SIZE)
    assert ref is not None
    inside = sides.arena._memory[ref.offset : ref.offset + SIZE]
    assert sides.arena.claim(inside) is None
    assert sides.arena.claim(view) is not None


def test_without_room_there_is_none(sides: Sides) -> None:
    kept = [sides.grant() for _ in range(ARENA // 102_400)]
    assert sides.arena.grant(SIZE) is None
    assert sides.arena.store([bytes(SIZE)], SIZE) is None
    kept.pop()
    kept.append(sides.grant())
    assert sides.arena.grant(2 * ARENA) is None


def test_small_ones_are_not_worth_it(sides: Sides) -> None:
    assert sides.arena.grant(BLOCK_BYTES - 1) is None
    assert sides.arena.grant(BLOCK_BYTES) is not None


def test_far_more_than_there_is(sides: Sides) -> None:
    for number in range(1000):
        view = sides.grant(300_000)
        view[7] = number % 256
        received = sides.claim(view)
        assert received is not None
        assert received[7] == number % 256
        del view, received


def loaded(sides: Sides, encoder: Encoder, item: object) -> Any:
    """Send an item."""
    parts, refs = pack([encoder.encode(item)])
    (entry,) = pickling.loads(b"".join(parts))
    return decode(entry, [sides.leases.lend(*ref) for ref in refs])


def test_arrays_are_handed_over_by_an_encoder(sides: Sides) -> None:
    array: Any = np.frombuffer(sides.grant(), "f8").reshape(100, 125)
    array[:] = 1
    received = loaded(sides, Encoder(sides.arena), {"first": array, "second": array[:50]})
    array[:] = 2
    assert received["first"].shape == (100, 125)
    assert set(received["first"].flat) == {2}
    assert set(received["second"].flat) == {1}  # once at a time: it was copied
    again = loaded(sides, Encoder(sides.arena), array[10:])
    array[:] = 3
    assert set(again.flat) == {2}
    del received
    part = loaded(sides, Encoder(sides.arena), array[10:])
    array[:] = 4
    assert set(part.flat) == {4}


@pytest.mark.parametrize("make", [lambda array: array[::2], lambda array: array.astype("u1")])
def test_other_arrays_are_copied(sides: Sides, make: Any) -> None:
    array: Any = np.frombuffer(sides.grant(), "u2")
    array[:] = 1
    received = loaded(sides, Encoder(sides.arena), make(array))
    array[:] = 2
    assert set(received) == {1}


def test_all_buffers_of_an_item_of_a_hundred_are_copied(sides: Sides) -> None:
    """As `allocate` says: the last one too, which may have a block of its own."""
    array: Any = np.frombuffer(sides.grant(), "u1")[: ALIGN * 1000]  # which needs no padding
    array[:] = 1
    item = [*(np.zeros(BLOCK_BYTES, "u1") for _ in range(ITEM_REFS)), array]
    stored = Encoder(sides.arena).encode(item)
    assert isinstance(stored, Stored)
    last = stored.places[-1]
    assert isinstance(last, Group)
    assert last.sizes == [array.nbytes]
    array[:] = 2
    assert set(bytes(sides.leases.lend(*last.place))) == {1}  # type: ignore[misc]


def test_without_grants_no_buffer_is_looked_at(sides: Sides) -> None:
    loaded(sides, Encoder(sides.arena), np.zeros(SIZE, "u1"))
    assert sides.arena.allocations is None


def test_threads_share_the_arena(sides: Sides) -> None:
    """Each finds its blocks as it left them, whatever the others do."""
    stop = threading.Event()

    def hammer(mark: int) -> int:
        chance = random.Random(mark)  # noqa: S311  no secret
        views: list[memoryview] = []
        made = 0
        while not stop.is_set():
            view = sides.arena.grant(chance.randrange(BLOCK_BYTES, 60_000))
            if view is not None:
                made += 1
                view[:] = bytes([mark]) * view.nbytes
                views.append(view)
            if views and (view is None or chance.random() < 0.5):
                left = views.pop(chance.randrange(len(views)))
                assert left == bytes([mark]) * left.nbytes
        return made

    others = [Background(hammer, mark) for mark in (1, 2, 3)]
    try:
        for number in range(2000):
            payload = bytes([9]) * (BLOCK_BYTES + 20 * number)
            ref = sides.arena.store([payload], len(payload))
            if ref is not None:
                assert set(sides.leases.lend(*ref)) == {9}
    finally:
        stop.set()
    assert all(other.result() for other in others)
    assert sides.used == 0


def test_a_finalizer_that_strikes_in_the_middle_does_not_wait_for_ever(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arena_module, "_PATIENCE", 0.01)
    first = sides.grant()
    flagged = sides.arena._mapping.flagged
    got: list[object] = []

    class Interrupted:
        flags = sides.arena._mapping.flags
        sizes = sides.arena._mapping.sizes

        def flagged(self) -> list[int]:
            got.extend([sides.arena.grant(SIZE), sides.arena.claim(first)])
            return flagged()

    monkeypatch.setattr(sides.arena, "_mapping", Interrupted())
    assert sides.grant().nbytes == SIZE
    assert got == [None, None]


def test_a_block_that_a_forked_child_has_is_free_when_that_is_gone(sides: Sides) -> None:
    view = sides.grant()
    read, write = os.pipe()
    child = fork(partial(os.read, read, 1))
    del view
    assert sides.used >= SIZE
    os.write(write, b"x")
    assert exit_code(child) == 0
    assert sides.used == 0
    os.close(read)
    os.close(write)


def test_threads_may_ask_for_their_first_blocks_at_once(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = sides.arena._find
    first: list[memoryview] = []

    def come_second(nbytes: int, kind: type[Allocations]) -> tuple[int, int] | None:
        monkeypatch.undo()
        first.append(sides.grant())
        return find(nbytes, kind)

    monkeypatch.setattr(sides.arena, "_find", come_second)
    second = sides.grant()
    assert sides.claim(first.pop()) is not None
    assert sides.used >= SIZE
    del second
    assert sides.used == 0


AT_EXIT = """\
import sys, threading
import numpy as np
from farside._memory import allocations
from farside._memory.arena import Arena
from farside._memory.creating import create
from farside._memory.mapping import Mapping

shared = create(1 << 20)[0]
arena = Arena(Mapping(shared.fileno()))

class Holder:
    pass

cycle = Holder()
cycle.self = cycle
cycle.array = np.frombuffer(arena.grant(10_000), np.uint8)
sys.held = arena.grant(10_000)
threading.held = [arena.grant(10_000)]
view = arena.grant(10_000)
allocations.held = arena.grant(10_000)
arena.held = arena.grant(10_000)
arena.claim(arena.held)
"""


def test_views_that_are_left_at_exit_are_silent() -> None:
    assert run_python(AT_EXIT) == ""


def test_without_descriptors_there_are_none(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "farside._memory.allocations":
                raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.delitem(sys.modules, "farside._memory.allocations", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Full(), *sys.meta_path])
    assert sides.arena.grant(SIZE) is None
    assert sides.used == 0


def test_without_ctypes_there_are_none(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    monkeypatch.delitem(sys.modules, "farside._memory.allocations", raising=False)
    assert sides.arena.grant(SIZE) is None
    assert sides.used == 0


def test_a_forked_child_imports_nothing_for_a_block(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may have been importing it at the fork, and the child would wait for ever."""

    def imports(name: str, *_: object) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(sides.arena, "_owner", 0)
    with monkeypatch.context() as patch:
        patch.setattr("builtins.__import__", imports)
        granted = sides.arena.grant(SIZE)
    assert granted is None
