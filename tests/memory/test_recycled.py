"""Buffers that are used again: only when nothing refers to what was in them."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._memory import recycled
from farside._memory.recycled import Recycled
from tests.memory.kept import Kept
from tests.steady import STEADY

_KEPT: list[pickle.PickleBuffer] = []
_OUT_OF_BAND = pickle.dumps(pickle.PickleBuffer(b"x"), 5, buffer_callback=_KEPT.append)


def owner(view: Any) -> int:
    """Return where the memory is."""
    return int(np.frombuffer(view, np.uint8).ctypes.data)


def test_a_buffer_is_as_large_as_asked_for_and_can_be_written() -> None:
    view = Recycled().take(10)
    assert (view.nbytes, view.readonly, view.format) == (10, False, "B")
    view[:] = bytes(range(10))


def test_a_buffer_is_given_again_when_it_was_dropped() -> None:
    buffers = Recycled()
    view = buffers.take(1000)
    first = owner(view)
    del view
    for nbytes in (1000, 999, 500):
        assert owner(buffers.take(nbytes)) == first


@pytest.mark.parametrize(
    "use",
    [
        lambda view: view,
        lambda view: view[3:5],
        lambda view: np.frombuffer(view, np.uint8)[::2],
        lambda view: np.ndarray((1000,), "u1", buffer=view),
        lambda view: pickle.loads(_OUT_OF_BAND, buffers=[view]),
        lambda view: (each for each in view),
    ],
)
def test_no_buffer_is_given_again_while_anything_refers_to_it(use: Any) -> None:
    buffers = Recycled()
    held = [use(buffers.take(1000)) for _ in range(20)]
    others = [buffers.take(1000) for _ in range(20)]
    for other in others:
        other[:] = bytes(1000)
    assert len({owner(each) for each in others}) == 20
    held.clear()


def test_what_a_finalizer_in_a_cycle_saves_is_not_given_again() -> None:
    buffers = Recycled()
    Kept(buffers.take(1000))
    gc.collect()
    assert owner(buffers.take(1000)) != owner(Kept.saved[0])
    Kept.saved.clear()


def test_an_empty_one_is_given_again() -> None:
    buffers = Recycled()
    assert [buffers.take(0).nbytes for _ in range(10)] == [0] * 10


def test_one_that_is_much_larger_is_not_taken() -> None:
    buffers = Recycled()
    first = owner(buffers.take(1000))
    assert owner(buffers.take(400)) != first


def copy_to_send(buffers: Recycled, *parts: bytes | memoryview) -> pickle.PickleBuffer:
    return buffers.copy_to_send(parts, sum(map(len, parts)))


def test_parts_are_copied_one_after_the_other() -> None:
    of_shorts = memoryview(bytearray(range(4))).cast("H")
    parts = [b"ab", of_shorts, np.arange(3, dtype="u1")]
    to_send = copy_to_send(Recycled(), b"ab", of_shorts.cast("B"), memoryview(bytearray(range(3))))
    for copy in (Recycled().copy(parts), to_send.raw()):
        assert bytes(copy) == b"ab" + bytes(range(4)) + bytes(range(3))
        assert not copy.readonly


@pytest.mark.parametrize("size", [1000, 999, 1010, 513])
def test_the_memory_of_a_copy_is_used_again(size: int) -> None:
    buffers = Recycled()
    copy = copy_to_send(buffers, bytes(1010))
    first = owner(copy)
    other = copy_to_send(buffers, b"x" * size)
    assert owner(other) != first
    del copy
    again = copy_to_send(buffers, b"y" * size)
    assert owner(again) == first
    assert bytes(again.raw()) == b"y" * size
    del again
    assert bytes(copy_to_send(buffers, b"z" * 1010).raw()) == b"z" * 1010
    assert bytes(other.raw()) == b"x" * size


def test_a_buffer_of_a_small_copy_is_given_for_a_larger_one_again() -> None:
    buffers = Recycled()
    first = owner(copy_to_send(buffers, bytes(1010)))
    for size in (600, 1010, 999, 520, 1024):
        copy = copy_to_send(buffers, b"a" * (size - 7), b"b" * 7)
        assert owner(copy) == first
        assert bytes(copy.raw()) == b"a" * (size - 7) + b"b" * 7
        del copy
    assert buffers.take(1010).nbytes == 1010


def test_copies_of_nothing() -> None:
    buffers = Recycled()
    assert [bytes(copy_to_send(buffers, *parts).raw()) for parts in ([], [b""])] == [b"", b""]


def test_a_copy_in_a_cycle_of_garbage_is_collected() -> None:
    """A view between it and its buffer would crash Python up to 3.12.6."""
    copy = copy_to_send(Recycled(), bytes(1000))
    assert type(copy.raw().obj) is bytearray
    cycle: list[Any] = [copy]
    cycle.append(cycle)
    del copy, cycle
    gc.collect()


@pytest.mark.parametrize(("most", "most_bytes", "kept"), [(3, 1 << 20, 3), (10, 3000, 2)])
def test_so_many_are_kept_and_no_more(most: int, most_bytes: int, kept: int) -> None:
    buffers = Recycled(most, most_bytes)
    held = [buffers.take(1000) for _ in range(10)]
    latest = [owner(each) for each in held[-kept:]]
    held.clear()
    assert [owner(buffers.take(1000)) for _ in range(kept)] == latest


def test_small_ones_are_kept_beside_a_larger_one_while_all_together_have_few_bytes() -> None:
    buffers = Recycled(100, 4000)
    sizes = [2048, *[128] * 15]
    held = [buffers.take(size) for size in sizes]
    assert [size for size, _ in buffers._buffers] == sizes
    held.append(buffers.take(128))
    assert [size for size, _ in buffers._buffers] == [128] * 16


def test_as_many_are_kept_of_large_ones() -> None:
    """Where no number of bytes is given: of all, the new memory of large ones costs most."""
    buffers = Recycled()
    held = [buffers.take(70_000_000) for _ in range(2)]
    first = owner(held.pop(0))
    assert owner(buffers.take(70_000_000)) == first


def test_a_finalizer_may_say_that_none_is_needed_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = Recycled()
    buffers.take(1000)
    is_free = recycled._is_free

    def forget_first(buffer: bytearray) -> bool:
        buffers.forget()
        return is_free(buffer)

    monkeypatch.setattr(recycled, "_is_free", forget_first)
    assert buffers.take(1000).nbytes == 1000
    assert not buffers._buffers


@STEADY
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), max_size=60))
def test_contents_stay_as_long_as_they_are_held(steps: list[tuple[int, int]]) -> None:
    buffers, held = Recycled(), list[tuple[memoryview, int]]()
    for number, (nbytes, drop) in enumerate(steps):
        view = buffers.take(nbytes)
        view[:] = bytes([number]) * nbytes
        held.append((view, number))
        del view, held[: drop if drop < len(held) else 0]
        for each, kept in held:
            assert bytes(each) == bytes([kept]) * each.nbytes


def test_what_was_cut_to_be_sent_is_whole_where_it_is_taken() -> None:
    buffers = Recycled()
    for size in (100, 97):
        copy_to_send(buffers, bytes(size))
    assert buffers.take(100).nbytes == 100
