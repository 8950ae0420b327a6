"""Leases: a block is given back when its last user is gone, whoever that is, and not before."""

import errno
import gc
import os
import pickle
import select
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType, SimpleNamespace
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest

from farside._memory import leases as module
from farside._memory import views
from farside._memory.creating import create
from farside._memory.leases import Leases
from farside._memory.mapping import SLOTS, Mapping
from farside.errors import ProtocolError
from tests.background import Background
from tests.children import exit_code, fork, forked, run_python
from tests.memory.blocks_of import lent
from tests.memory.kept import Kept

ARENA = 1 << 20
SLOT = 7
OFFSET = 8192


@pytest.fixture
def mapping(request: pytest.FixtureRequest) -> Iterator[Mapping]:
    shared = create(ARENA)[0]
    made = Mapping(shared.fileno())
    shared.close()
    made.arena[OFFSET : OFFSET + 8] = b"contents"
    yield made
    # Before 3.13 a mapping has a descriptor, and pytest keeps it for longer than it may be there.
    request.node.funcargs.clear()


@pytest.fixture
def leases(mapping: Mapping) -> Leases:
    return Leases(mapping, ARENA)


def flagged(mapping: Mapping) -> list[int]:
    return [slot for slot, flag in enumerate(mapping.flags) if flag]


def test_a_view_is_the_block(mapping: Mapping, leases: Leases) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    assert (view.format, view.nbytes, view.shape, view.strides) == ("B", 8, (8,), (1,))
    assert view.c_contiguous
    assert not view.readonly
    assert bytes(view) == b"contents"
    view[0] = ord("C")
    assert bytes(mapping.arena[OFFSET : OFFSET + 8]) == b"Contents"
    assert lent(leases) == 8


@pytest.mark.parametrize(
    ("offset", "nbytes"), [(0, 0), (0, ARENA), (ARENA - 1, 1), (ARENA, 0), (4096, 5000)]
)
def test_blocks_anywhere(mapping: Mapping, leases: Leases, offset: int, nbytes: int) -> None:
    mapping.arena[:] = bytes(range(256)) * (ARENA // 256)
    view = leases.lend(SLOT, offset, nbytes)
    assert view == mapping.arena[offset : offset + nbytes]
    del view
    assert flagged(mapping) == [SLOT]
    assert lent(leases) == 0


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
    mapping: Mapping, leases: Leases, use: Callable[[memoryview], Any]
) -> None:
    used = use(leases.lend(SLOT, OFFSET, 8))
    gc.collect()
    assert flagged(mapping) == []
    assert lent(leases) == 8
    del used
    assert flagged(mapping) == [SLOT]
    assert lent(leases) == 0


def test_the_last_of_several_users(mapping: Mapping, leases: Leases) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    users = [use(view) for use in USES.values()]
    del view
    while users:
        assert flagged(mapping) == []
        users.pop(len(users) // 2)
    assert flagged(mapping) == [SLOT]


def test_releasing_is_enough(mapping: Mapping, leases: Leases) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    view.release()
    assert flagged(mapping) == [SLOT]


def test_a_cycle_ends_with_a_collection(mapping: Mapping, leases: Leases) -> None:
    cycle: list[Any] = [array(leases.lend(SLOT, OFFSET, 8))]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert flagged(mapping) == [SLOT]
    assert lent(leases) == 0


def test_what_a_finalizer_in_a_cycle_saves_is_not_given_back(
    mapping: Mapping, leases: Leases
) -> None:
    Kept(leases.lend(SLOT, OFFSET, 8))
    gc.collect()
    assert bytes(Kept.saved[0]) == b"contents"
    assert flagged(mapping) == []
    assert lent(leases) == 8
    Kept.saved.clear()
    gc.collect()
    assert flagged(mapping) == [SLOT]
    assert lent(leases) == 0


def assert_kept_until_it_ends(
    child: int, ends: tuple[int, int], mapping: Mapping, leases: Leases
) -> None:
    """Look whether a block is kept for a forked child, which ends when it has read something."""
    leases.drop_ended_children()
    assert flagged(mapping) == []
    os.write(ends[1], b"x")
    assert exit_code(child) == 0
    leases.drop_ended_children()
    assert flagged(mapping) == [SLOT]
    for end in ends:
        os.close(end)


def test_what_a_finalizer_in_a_cycle_has_saved_is_kept_for_a_child(
    mapping: Mapping, leases: Leases
) -> None:
    Kept(leases.lend(SLOT, OFFSET, 8))
    gc.collect()
    read, write = os.pipe()
    child = fork(partial(os.read, read, 1))
    Kept.saved.clear()
    gc.collect()
    assert_kept_until_it_ends(child, (read, write), mapping, leases)


def test_the_last_user_may_be_in_another_thread(mapping: Mapping, leases: Leases) -> None:
    go = threading.Event()
    box = [leases.lend(SLOT, OFFSET, 8)]

    def drop() -> None:
        go.wait()
        box.clear()

    other = Background(drop)
    assert flagged(mapping) == []
    go.set()
    other.result()
    assert flagged(mapping) == [SLOT]
    assert lent(leases) == 0


def test_many_threads_drop_at_once(mapping: Mapping, leases: Leases) -> None:
    boxes = [[leases.lend(slot, 0, 10) for slot in range(at, SLOTS, 8)] for at in range(8)]
    assert lent(leases) == 10 * SLOTS
    for call in [Background(box.clear) for box in boxes]:
        call.result()
    assert len(flagged(mapping)) == SLOTS
    assert lent(leases) == 0


def test_a_slot_is_lent_again_and_again(mapping: Mapping, leases: Leases) -> None:
    for nbytes in (8, 5000, 1):
        view = leases.lend(SLOT, OFFSET, nbytes)
        assert lent(leases) == nbytes
        assert flagged(mapping) == []
        del view
        assert flagged(mapping) == [SLOT]
        mapping.flags[SLOT] = 0
    assert lent(leases) == 0


@pytest.mark.parametrize(
    ("slot", "offset", "nbytes"), [(SLOTS, 0, 8), (SLOT, ARENA - 4096, 4097), (SLOT, ARENA, 1)]
)
def test_what_lies_beyond_the_arena_is_no_block(
    leases: Leases, slot: int, offset: int, nbytes: int
) -> None:
    with pytest.raises(ProtocolError, match=f"no block: slot {slot}, {nbytes} bytes at {offset}"):
        leases.lend(slot, offset, nbytes)
    assert leases.lend(SLOTS - 1, ARENA - 4096, 4096).nbytes == 4096


@pytest.mark.parametrize("limit", [ARENA, 0])
def test_a_block_is_not_lent_twice(mapping: Mapping, leases: Leases, limit: int) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    leases._limit = limit
    with pytest.raises(ProtocolError, match=f"slot {SLOT}"):
        leases.lend(SLOT, 0, 8)
    assert (lent(leases), flagged(mapping)) == (8, [])
    del view
    assert (lent(leases), flagged(mapping)) == (0, [SLOT])
    assert bytes(leases.lend(SLOT, OFFSET, 8)) == b"contents"


def test_beyond_the_limit_blocks_are_copied(mapping: Mapping) -> None:
    leases = Leases(mapping, 20)
    kept = [leases.lend(slot, OFFSET, 8) for slot in range(2)]
    assert (lent(leases), leases.copies, flagged(mapping)) == (16, 0, [])
    copy = leases.lend(2, OFFSET, 8)
    assert (lent(leases), leases.copies, flagged(mapping)) == (16, 1, [2])
    mapping.arena[OFFSET] = 0
    copy[7] = 1
    assert (copy.format, copy.readonly, bytes(copy)) == ("B", False, b"content\1")
    assert bytes(kept[0]) == b"\0ontents"
    kept.append(leases.lend(3, OFFSET, 4))
    assert (lent(leases), leases.copies) == (20, 1)
    kept.clear()
    assert flagged(mapping) == [0, 1, 2, 3]
    assert (leases.lend(4, OFFSET, 20).nbytes, leases.copies) == (20, 1)


def test_without_ctypes_blocks_are_copied(
    mapping: Mapping, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    for copies in (1, 2):
        assert bytes(leases.lend(SLOT, OFFSET, 8)) == b"contents"
        assert (lent(leases), leases.copies, flagged(mapping)) == (0, copies, [SLOT])


def test_a_block_is_given_back_even_if_there_is_no_memory_for_its_copy(
    mapping: Mapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_view: memoryview) -> bytearray:
        raise MemoryError

    monkeypatch.setattr(module, "bytearray", full, raising=False)
    with pytest.raises(MemoryError):
        Leases(mapping, 0).lend(SLOT, OFFSET, 8)
    assert flagged(mapping) == [SLOT]


def test_a_view_outlives_all_else(mapping: Mapping, leases: Leases) -> None:
    flags = mapping.flags
    view = leases.lend(SLOT, OFFSET, 8)
    del leases, mapping
    gc.collect()
    assert bytes(view) == b"contents"
    assert not any(flags)
    del view
    assert flags[SLOT] == 1


def test_no_signal_handler_can_run_in_the_end_of_a_lease(mapping: Mapping, leases: Leases) -> None:
    """An interrupt that is raised there would be lost. Handlers run in Python functions only."""
    entered: list[str] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.append(frame.f_code.co_name)

    view: memoryview | None = leases.lend(SLOT, OFFSET, 8)
    assert view is not None
    sys.setprofile(profile)
    try:
        view = None
    finally:
        sys.setprofile(None)
    assert flagged(mapping) == [SLOT]
    assert entered == []


@pytest.mark.parametrize("they", ["alive", "gone"])
def test_what_ends_in_a_forked_child_is_not_told(mapping: Mapping, they: str) -> None:
    alive = [Leases(mapping, ARENA)]
    users = [alive[0].lend(SLOT, OFFSET, 8), alive[0].lend(SLOT + 1, OFFSET, 8)]
    first = users[0][1:]
    if they == "gone":
        alive.clear()
        gc.collect()

    def drop() -> None:
        users.clear()
        assert flagged(mapping) == []

    assert forked(drop) == 0
    assert flagged(mapping) == []
    for leases in alive:
        leases.drop_ended_children()
    users.clear()
    assert flagged(mapping) == [SLOT + 1]
    del first
    assert flagged(mapping) == [SLOT, SLOT + 1]


def test_nor_what_is_copied_there(mapping: Mapping, leases: Leases) -> None:
    tight = Leases(mapping, 0)

    def give_back() -> None:
        tight.lend(SLOT, OFFSET, 8)
        leases.lend(SLOT, OFFSET, 8)

    assert forked(give_back) == 0
    assert flagged(mapping) == []


def test_a_block_is_kept_until_all_children_are_gone_that_have_it(
    mapping: Mapping, leases: Leases
) -> None:
    ways_out = [os.pipe() for _ in range(2)]

    def stay(fd: int) -> None:
        os.read(fd, 1)

    def let_end(number: int) -> None:
        os.write(ways_out[number][1], b"1")
        assert exit_code(children[number]) == 0
        leases.drop_ended_children()

    first, both = leases.lend(0, OFFSET, 8), leases.lend(1, OFFSET, 8)
    children = [fork(partial(stay, ways_out[0][0]))]
    del first
    second = leases.lend(2, OFFSET, 8)
    children.append(fork(partial(stay, ways_out[1][0])))
    del both, second
    leases.drop_ended_children()
    assert (flagged(mapping), lent(leases)) == ([], 24)
    let_end(0)
    assert (flagged(mapping), lent(leases)) == ([0], 16), "the second child has the others"
    later = leases.lend(3, OFFSET, 8)
    del later
    assert flagged(mapping) == [0, 3]
    let_end(1)
    assert (flagged(mapping), lent(leases)) == ([0, 1, 2, 3], 0)
    for fd in sum(ways_out, ()):
        os.close(fd)


real_poll = select.poll


class PollOfMacos:
    """Tells nothing of a descriptor, not even a hang-up, of which nothing was asked."""

    def __init__(self) -> None:
        self._poll = real_poll()
        self._asked: dict[int, int] = {}

    def register(self, fd: int, events: int) -> None:
        self._asked[fd] = events
        self._poll.register(fd, events)

    def poll(self, milliseconds: int) -> list[tuple[int, int]]:
        return [each for each in self._poll.poll(milliseconds) if self._asked[each[0]]]


def test_the_poll_of_macos_tells_of_an_ended_child(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    assert exit_code(fork(int)) == 0
    del view
    monkeypatch.setattr(select, "poll", PollOfMacos)
    leases.drop_ended_children()
    assert lent(leases) == 0


def test_one_call_tells_of_all_children(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    read, write = os.pipe()
    children = [fork(partial(os.read, read, 1)) for _ in range(3)]
    make, made = select.poll, []

    def poll() -> Any:
        made.append(make())
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(select, "poll", poll)
        leases.drop_ended_children()
    assert len(made) == 1
    os.write(write, b"123")
    assert [exit_code(child) for child in children] == [0, 0, 0]
    del view
    leases.drop_ended_children()
    assert lent(leases) == 0
    os.close(read)
    os.close(write)


def test_of_a_fork_nothing_is_kept_when_all_leases_were_closed(leases: Leases) -> None:
    view = leases.lend(SLOT, OFFSET, 8)
    before = len(os.listdir("/proc/self/fd"))
    assert forked(gc.collect) == 0
    assert len(os.listdir("/proc/self/fd")) > before
    del view
    leases.close()
    assert views._forking is None
    assert len(os.listdir("/proc/self/fd")) == before


class Struck(Exception):
    pass


@pytest.mark.parametrize("place", ["clear", "close"])
def test_what_a_signal_handler_raises_after_a_fork_keeps_no_block_for_good(
    mapping: Mapping, leases: Leases, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    class Over(deque[None]):
        def clear(self) -> None:
            super().clear()
            if place == "clear":
                raise Struck

    def close(fd: int) -> None:
        os.close(fd)
        if place == "close":
            raise Struck

    view = leases.lend(SLOT, OFFSET, 8)
    before = len(os.listdir("/proc/self/fd"))
    assert forked(gc.collect) == 0
    over = Over(views._over)
    views._over.clear()
    with monkeypatch.context() as patch:
        patch.setattr(views, "_over", over)
        patch.setattr(views, "os", SimpleNamespace(close=close))
        with pytest.raises(Struck):
            leases.drop_ended_children()
    views._over.extend(over)
    leases.drop_ended_children()  # it goes on where it was struck
    leases.drop_ended_children()
    assert views._forking is None
    assert len(os.listdir("/proc/self/fd")) == before
    del view
    assert (flagged(mapping), lent(leases)) == ([SLOT], 0)


def test_what_a_signal_handler_raises_before_a_fork_keeps_no_block_for_good(
    mapping: Mapping, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(_: object) -> None:
        patch.undo()
        raise Struck

    view = leases.lend(SLOT, OFFSET, 8)
    ignored: list[Any] = []
    with monkeypatch.context() as patch:
        monkeypatch.setattr(sys, "unraisablehook", lambda each: ignored.append(each.exc_type))
        patch.setattr(views.Views, "drop_ended_children", strike)
        assert forked(gc.collect) == 0
    assert ignored == [Struck]
    leases.drop_ended_children()
    del view
    leases.drop_ended_children()
    assert (flagged(mapping), lent(leases)) == ([SLOT], 0)


def test_what_another_thread_opens_as_this_one_forks_hides_no_block(
    mapping: Mapping, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python 3.14, nobody can go through a weak set that changes meanwhile."""
    view = leases.lend(SLOT, OFFSET, 8)
    opened: list[views.Views] = []

    def open_another(frame: FrameType, *_: object) -> Any:
        if frame.f_code is WeakSet.__iter__.__code__:  # a switch of threads would come in it
            opened.append(views.Views(mapping.arena))
            return open_another
        return None

    ignored: list[Any] = []
    read, write = os.pipe()
    before = sys.gettrace()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda each: ignored.append(each.exc_type))
        sys.settrace(open_another)
        try:
            child = fork(partial(os.read, read, 1))
        finally:
            sys.settrace(before)
    assert ignored == []
    del view
    assert_kept_until_it_ends(child, (read, write), mapping, leases)


def test_what_another_thread_lets_go_of_as_this_one_forks_is_kept_for_the_child(
    mapping: Mapping, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = leases.lend(SLOT + 1, 0, 8)
    look_around = views._look_around

    def look_and_lend() -> None:
        look_around()
        leases.lend(SLOT, OFFSET, 8)

    read, write = os.pipe()
    with monkeypatch.context() as patch:
        patch.setattr(views, "_look_around", look_and_lend)
        child = fork(partial(os.read, read, 1))
    assert_kept_until_it_ends(child, (read, write), mapping, leases)
    del other


def test_another_program_has_no_blocks(mapping: Mapping, leases: Leases) -> None:
    """With a function to run before it, a program is forked like any child."""
    view = leases.lend(SLOT, OFFSET, 8)
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, preexec_fn=os.getpid) as program:  # noqa: PLW1509
        del view
        leases.drop_ended_children()
        assert flagged(mapping) == [SLOT]
        program.communicate(b"\n")


def test_without_descriptors_a_block_is_kept_for_good(
    mapping: Mapping, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, "none left")

    view = leases.lend(SLOT, OFFSET, 8)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", none_left)
        assert forked(gc.collect) == 0
    del view
    leases.drop_ended_children()
    assert (flagged(mapping), lent(leases)) == ([], 8)


def test_after_closing_nothing_is_given_back(mapping: Mapping, leases: Leases) -> None:
    """A forked child may have it, and the worker may still be at work."""
    view = leases.lend(SLOT, OFFSET, 8)
    assert forked(gc.collect) == 0
    leases.close()
    del view
    assert flagged(mapping) == []


AT_EXIT = """\
import sys, threading
import numpy as np
from farside._memory import leases as module
from farside._memory.creating import create
from farside._memory.mapping import Mapping

shared = create(1 << 20)[0]
mapping = Mapping(shared.fileno())
leases = module.Leases(mapping, 1 << 20)

class Holder:
    pass

cycle = Holder()
cycle.self = cycle
cycle.array = np.frombuffer(leases.lend(1, 0, 100), np.uint8)
sys.held = leases.lend(2, 0, 100)
threading.held = [leases.lend(3, 0, 100)]
view = leases.lend(4, 0, 100)
module.held = leases.lend(5, 0, 100)
holder = threading.local()
holder.view = leases.lend(6, 0, 100)
threading.Thread(target=lambda view: view[:1], args=[leases.lend(7, 0, 100)]).start()
"""


def test_views_that_are_left_at_exit_are_silent() -> None:
    assert run_python(AT_EXIT) == ""
