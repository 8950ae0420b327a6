"""Leases: a block is given back when its last user is gone, whoever that is, and not before."""

import gc
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest

from farside._transport import leases
from farside._transport.leases import Lessor
from farside._transport.memory import SLOTS, Mapping, create
from farside.errors import ProtocolError
from tests.transport.background import Background
from tests.transport.children import forked, run_python

ARENA = 1 << 20
SLOT = 7
OFFSET = 8192


@pytest.fixture
def mapping(request: pytest.FixtureRequest) -> Iterator[Mapping]:
    shared = create(ARENA)
    made = Mapping(shared.fileno())
    shared.close()
    made.arena[OFFSET : OFFSET + 8] = b"contents"
    yield made
    # Before 3.13 a mapping has a descriptor, and pytest keeps it for longer than it may be there.
    request.node.funcargs.clear()


@pytest.fixture
def lessor(mapping: Mapping) -> Lessor:
    return Lessor(mapping, ARENA)


def flagged(mapping: Mapping) -> list[int]:
    return [slot for slot, flag in enumerate(mapping.flags) if flag]


def test_a_view_is_the_block(mapping: Mapping, lessor: Lessor) -> None:
    view = lessor.lend(SLOT, OFFSET, 8)
    assert (view.format, view.nbytes, view.shape, view.strides) == ("B", 8, (8,), (1,))
    assert view.c_contiguous
    assert not view.readonly
    assert bytes(view) == b"contents"
    view[0] = ord("C")
    assert bytes(mapping.arena[OFFSET : OFFSET + 8]) == b"Contents"
    assert lessor.held == 8


@pytest.mark.parametrize(
    ("offset", "nbytes"), [(0, 0), (0, ARENA), (ARENA - 1, 1), (ARENA, 0), (4096, 5000)]
)
def test_blocks_anywhere(mapping: Mapping, lessor: Lessor, offset: int, nbytes: int) -> None:
    mapping.arena[:] = bytes(range(256)) * (ARENA // 256)
    view = lessor.lend(SLOT, offset, nbytes)
    assert view == mapping.arena[offset : offset + nbytes]
    del view
    assert flagged(mapping) == [SLOT]
    assert lessor.held == 0


def array(view: memoryview) -> Any:
    return np.frombuffer(view, dtype=np.uint8)


def pickled(view: memoryview) -> Any:
    data = pickle.dumps(np.arange(8, dtype=np.uint8), 5, buffer_callback=lambda _: None)
    loaded = pickle.loads(data, buffers=[view])
    assert loaded.flags.writeable
    return loaded


def bare(view: memoryview) -> Any:
    """Return what a pickled buffer becomes that is not part of an array."""
    data = pickle.dumps(pickle.PickleBuffer(b"8 bytes."), 5, buffer_callback=lambda _: None)
    return pickle.loads(data, buffers=[view])


USES: dict[str, Callable[[memoryview], Any]] = {
    "itself": lambda view: view,
    "slice": lambda view: view[2:5],
    "slice with a step": lambda view: view[::2],
    "cast": lambda view: view.cast("I"),
    "cast to two dimensions": lambda view: view.cast("B", (2, 4)),
    "read-only": lambda view: view.toreadonly(),
    "memoryview": memoryview,
    "array": array,
    "array made directly": lambda view: np.ndarray((2, 4), "u1", view),
    "slice of an array": lambda view: array(view)[2:5][::-1],
    "reshaped array": lambda view: array(view).reshape(2, 4).T,
    "view of an array": lambda view: memoryview(array(view)),
    "pickled array": pickled,
    "slice of a pickled array": lambda view: pickled(view)[:3],
    "pickled buffer": bare,
    "pickle buffer": pickle.PickleBuffer,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_is_made_of_a_view_keeps_the_block(
    mapping: Mapping, lessor: Lessor, use: Callable[[memoryview], Any]
) -> None:
    used = use(lessor.lend(SLOT, OFFSET, 8))
    gc.collect()
    assert flagged(mapping) == []
    assert lessor.held == 8
    del used
    assert flagged(mapping) == [SLOT]
    assert lessor.held == 0


def test_the_last_of_several_users(mapping: Mapping, lessor: Lessor) -> None:
    view = lessor.lend(SLOT, OFFSET, 8)
    users = [use(view) for use in USES.values()]
    del view
    while users:
        assert flagged(mapping) == []
        users.pop(len(users) // 2)
    assert flagged(mapping) == [SLOT]


def test_releasing_is_enough(mapping: Mapping, lessor: Lessor) -> None:
    view = lessor.lend(SLOT, OFFSET, 8)
    view.release()
    assert flagged(mapping) == [SLOT]


def test_a_cycle_ends_with_a_collection(mapping: Mapping, lessor: Lessor) -> None:
    cycle: list[Any] = [array(lessor.lend(SLOT, OFFSET, 8))]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert flagged(mapping) == [SLOT]
    assert lessor.held == 0


def test_the_last_user_may_be_in_another_thread(mapping: Mapping, lessor: Lessor) -> None:
    go = threading.Event()
    box = [lessor.lend(SLOT, OFFSET, 8)]

    def drop() -> None:
        go.wait()
        box.clear()

    other = Background(drop)
    assert flagged(mapping) == []
    go.set()
    other.result()
    assert flagged(mapping) == [SLOT]
    assert lessor.held == 0


def test_many_threads_drop_at_once(mapping: Mapping, lessor: Lessor) -> None:
    boxes = [[lessor.lend(slot, 0, 10) for slot in range(at, SLOTS, 8)] for at in range(8)]
    assert lessor.held == 10 * SLOTS
    for call in [Background(box.clear) for box in boxes]:
        call.result()
    assert len(flagged(mapping)) == SLOTS
    assert lessor.held == 0


def test_a_slot_is_lent_again_and_again(mapping: Mapping, lessor: Lessor) -> None:
    for nbytes in (8, 5000, 1):
        view = lessor.lend(SLOT, OFFSET, nbytes)
        assert lessor.held == nbytes
        assert flagged(mapping) == []
        del view
        assert flagged(mapping) == [SLOT]
        mapping.flags[SLOT] = 0
    assert lessor.held == 0


@pytest.mark.parametrize("limit", [ARENA, 0])
def test_a_block_is_not_lent_twice(mapping: Mapping, lessor: Lessor, limit: int) -> None:
    view = lessor.lend(SLOT, OFFSET, 8)
    lessor._limit = limit
    with pytest.raises(ProtocolError, match=f"slot {SLOT}"):
        lessor.lend(SLOT, 0, 8)
    assert (lessor.held, flagged(mapping)) == (8, [])
    del view
    assert (lessor.held, flagged(mapping)) == (0, [SLOT])
    assert bytes(lessor.lend(SLOT, OFFSET, 8)) == b"contents"


def test_beyond_the_limit_blocks_are_copied(mapping: Mapping) -> None:
    lessor = Lessor(mapping, 20)
    kept = [lessor.lend(slot, OFFSET, 8) for slot in range(2)]
    assert (lessor.held, lessor.copies, flagged(mapping)) == (16, 0, [])
    copy = lessor.lend(2, OFFSET, 8)
    assert (lessor.held, lessor.copies, flagged(mapping)) == (16, 1, [2])
    mapping.arena[OFFSET] = 0
    copy[7] = 1
    assert (copy.format, copy.readonly, bytes(copy)) == ("B", False, b"content\1")
    assert bytes(kept[0]) == b"\0ontents"
    kept.append(lessor.lend(3, OFFSET, 4))
    assert (lessor.held, lessor.copies) == (20, 1)
    kept.clear()
    assert flagged(mapping) == [0, 1, 2, 3]
    assert (lessor.lend(4, OFFSET, 20).nbytes, lessor.copies) == (20, 1)


def test_without_ctypes_blocks_are_copied(
    mapping: Mapping, lessor: Lessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    for copies in (1, 2):
        assert bytes(lessor.lend(SLOT, OFFSET, 8)) == b"contents"
        assert (lessor.held, lessor.copies, flagged(mapping)) == (0, copies, [SLOT])


def test_a_block_is_given_back_even_if_there_is_no_memory_for_its_copy(
    mapping: Mapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_view: memoryview) -> bytearray:
        raise MemoryError

    monkeypatch.setattr(leases, "bytearray", full, raising=False)
    with pytest.raises(MemoryError):
        Lessor(mapping, 0).lend(SLOT, OFFSET, 8)
    assert flagged(mapping) == [SLOT]


def test_a_block_that_nobody_wants(mapping: Mapping, lessor: Lessor) -> None:
    lessor.give_back(SLOT)
    assert flagged(mapping) == [SLOT]
    assert lessor.held == 0


def test_a_view_outlives_all_else(mapping: Mapping, lessor: Lessor) -> None:
    flags = mapping.flags
    view = lessor.lend(SLOT, OFFSET, 8)
    del lessor, mapping
    gc.collect()
    assert bytes(view) == b"contents"
    assert not any(flags)
    del view
    assert flags[SLOT] == 1


def test_no_signal_handler_can_run_in_the_end_of_a_lease(mapping: Mapping, lessor: Lessor) -> None:
    """An interrupt that is raised there would be lost. Handlers run in Python functions only."""
    entered: list[str] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.append(frame.f_code.co_name)

    view: memoryview | None = lessor.lend(SLOT, OFFSET, 8)
    assert view is not None
    sys.setprofile(profile)
    try:
        view = None
    finally:
        sys.setprofile(None)
    assert flagged(mapping) == [SLOT]
    assert entered == []


@pytest.mark.parametrize("lessors", ["alive", "gone"])
def test_what_ends_in_a_forked_child_is_not_told(mapping: Mapping, lessors: str) -> None:
    alive = [Lessor(mapping, ARENA)]
    users = [alive[0].lend(SLOT, OFFSET, 8), alive[0].lend(SLOT + 1, OFFSET, 8)]
    first = users[0][1:]
    if lessors == "gone":
        alive.clear()
        gc.collect()

    def drop() -> None:
        users.clear()
        assert flagged(mapping) == []

    assert forked(drop) == 0
    assert flagged(mapping) == []
    users.clear()
    assert flagged(mapping) == [SLOT + 1]
    del first
    assert flagged(mapping) == [SLOT, SLOT + 1]


def test_nor_what_is_given_back_or_copied_there(mapping: Mapping, lessor: Lessor) -> None:
    tight = Lessor(mapping, 0)

    def give_back() -> None:
        lessor.give_back(SLOT)
        tight.lend(SLOT, OFFSET, 8)
        lessor.lend(SLOT, OFFSET, 8)

    assert forked(give_back) == 0
    assert flagged(mapping) == []


AT_EXIT = """\
import sys, threading
import numpy as np
from farside._transport import leases
from farside._transport.memory import Mapping, create

shared = create(1 << 20)
mapping = Mapping(shared.fileno())
lessor = leases.Lessor(mapping, 1 << 20)

class Holder:
    pass

cycle = Holder()
cycle.self = cycle
cycle.array = np.frombuffer(lessor.lend(1, 0, 100), np.uint8)
sys.held = lessor.lend(2, 0, 100)
threading.held = [lessor.lend(3, 0, 100)]
view = lessor.lend(4, 0, 100)
leases.held = lessor.lend(5, 0, 100)
holder = threading.local()
holder.view = lessor.lend(6, 0, 100)
threading.Thread(target=lambda view: view[:1], args=[lessor.lend(7, 0, 100)]).start()
"""


def test_views_that_are_left_at_exit_are_silent() -> None:
    assert run_python(AT_EXIT) == ""
