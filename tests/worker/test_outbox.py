"""The outbox: frames are as long as they may be, in order, and nothing of them is lost."""

import datetime as dt
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link.frames import MAX_REFS
from farside._memory.parts import BLOCK_BYTES
from farside._payload.items import ITEM_REFS
from farside._payload.joined import HEAD
from farside._protocol.credit import AUTOMATIC_ITEMS, Window
from farside._worker.frame_limits import BATCH_BYTES, BATCH_ITEMS, BATCH_NUMBERS
from farside._worker.outbox import Outbox
from farside.errors import LinkClosedError
from tests.steady import STEADY
from tests.worker.boxed import EPOCH, Boxed


def arrays(count: int, nbytes: int = BLOCK_BYTES + 1) -> list[Any]:
    return [np.full(nbytes, number % 251, np.uint8) for number in range(count)]


def test_contents_that_stay_where_the_item_has_them_are_sent_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("farside._memory.arena.Arena.lends", True)
    boxed = Boxed()
    (item,) = arrays(1)
    assert not boxed.add(1)
    assert boxed.add(item)
    item[:] = 7  # user code may do so as soon as it goes on
    assert [[np.max(each) for each in frame] for frame in boxed.frames()] == [[1], [0]]
    assert not boxed.box.entries
    boxed.close()


def test_an_item_that_was_sent_at_once_is_not_refused_where_something_strikes_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("farside._memory.arena.Arena.lends", True)
    boxed, send = Boxed(), Outbox._send_alone

    def send_and_strike(box: Outbox, entry: Any) -> None:
        send(box, entry)
        raise TimeoutError

    monkeypatch.setattr(Outbox, "_send_alone", send_and_strike)
    with pytest.raises(TimeoutError):
        boxed.add(*arrays(1))
    assert len(boxed.frames()) == 1
    assert not boxed.box.refused, "it would have a failure as well"
    boxed.close()


def test_where_no_thread_can_be_had_what_waits_is_sent_at_once(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("farside._worker.flusher.start", refuse)
    boxed.add(1)
    boxed.box.flush()
    for number in (2, 3):
        boxed.add(number)
        boxed.box.flusher.call()  # a frame was sent since the last time, and this one goes too
    assert boxed.frames() == [[1], [2], [3]]


def test_the_thread_that_makes_items_looks_up_when_the_flusher_has_no_memory(
    boxed: Boxed,
) -> None:
    send_late_without_memory(boxed)
    assert boxed.sink.alerts == 1


def send_late_without_memory(boxed: Boxed) -> None:
    def fail() -> None:
        raise MemoryError

    boxed.add(1)
    boxed.sink.before = fail
    with pytest.raises(MemoryError):
        boxed.box._send_late()


def test_no_item_is_sent_after_one_that_the_flusher_has_lost(boxed: Boxed) -> None:
    send_late_without_memory(boxed)
    boxed.sink.before = list
    boxed.add(2)
    boxed.box._frames_before = boxed.box._frames
    assert not boxed.box._send_late(), "it waits for the thread that makes items"
    with pytest.raises(MemoryError, match="to send items that were made"):
        boxed.box.flush()
    boxed.box.flush()
    assert boxed.sink.frames == []
    boxed.box.make_ready()
    boxed.box.begin(EPOCH)
    boxed.add(3)
    boxed.box.flush()
    assert boxed.frames() == [[3]]


def test_nothing_makes_no_frame(boxed: Boxed) -> None:
    boxed.box.flush()
    assert boxed.sink.frames == []


def test_items_go_in_order_in_one_frame(boxed: Boxed) -> None:
    items: list[Any] = [1, "x" * 1000, 2, {"a": 1}, b"y" * 20_000, 3]
    for item in items:
        boxed.add(item)
    boxed.box.flush()
    boxed.box.flush()
    assert boxed.frames() == [items]


def test_a_frame_of_plain_items_says_so_and_no_other(boxed: Boxed) -> None:
    date, large = dt.date(2000, 1, 1), b"z" * 10_000
    batches: list[list[Any]] = [[1, 2], [1, date], [3, {}], [{1}, 2], [large], [{3}, large], [4, 5]]
    for items in batches:
        for item in items:
            boxed.add(item)
        boxed.box.flush()
    assert boxed.plain() == [True, False, True, True, False, False, True]
    assert boxed.frames() == batches


def test_a_frame_is_booked_with_all_its_bytes(boxed: Boxed) -> None:
    boxed.add(bytes(100_000))
    boxed.box.flush()
    assert boxed.window._sent_items == 1
    assert 100_000 < boxed.window._sent_bytes < 101_000


def test_the_last_items_go_with_what_follows(boxed: Boxed) -> None:
    boxed.add(1)
    boxed.box.flush(soon=True)
    assert (boxed.frames(), boxed.sink.soon) == ([[1]], 1)
    boxed.box.flush(soon=True)
    boxed.add(2)
    boxed.box.flush()
    assert (boxed.frames(), boxed.sink.soon) == ([[1], [2]], 1)


def test_items_that_count_as_made_are_booked() -> None:
    boxed = Boxed(nbytes=100)
    boxed.box.begin(EPOCH)
    assert boxed.window.stop(0) > 1000
    boxed.box.make_ready()
    boxed.box.begin(EPOCH, 5, 100)
    assert boxed.window.stop(0) == AUTOMATIC_ITEMS + 1
    assert boxed.window.stop(5) > 1000
    boxed.close()


def test_what_was_left_of_a_pass_takes_no_room_in_the_next() -> None:
    boxed = Boxed(nbytes=100)
    boxed.add(bytes(200))
    boxed.box.flush()
    assert boxed.window.stop(0) == AUTOMATIC_ITEMS + 1
    boxed.box.make_ready()
    boxed.box.begin(EPOCH)
    assert boxed.window.stop(0) > 1000
    boxed.close()


def test_it_is_time_to_send_when_pickles_fill_a_batch(boxed: Boxed) -> None:
    while not boxed.add("x" * 1000):
        pass
    assert BATCH_BYTES / 1100 < len(boxed.box.entries) < BATCH_BYTES / 1000 + 1
    assert boxed.box.is_full()
    boxed.box.flush()
    assert not boxed.box.is_full()


def test_it_is_time_to_send_when_atoms_fill_a_batch(boxed: Boxed) -> None:
    for number in range(BATCH_ITEMS - 1):
        assert not boxed.add(number)
    assert boxed.add(-1)
    boxed.box.flush()
    assert not boxed.box.is_full()


def _fill(boxed: Boxed, make: Callable[[int], object]) -> int:
    """Add items until it is time to send, send, and take them; return how many there were."""
    boxed.box.send_due(0, each=False)
    count = 1
    while not boxed.add(make(count)):
        count += 1
    boxed.box.flush()
    boxed.sink.taken += count
    return count


def _text(number: int, length: int = 31) -> str:
    return "\N{GRINNING FACE}" * (length - 6) + f"{number:06}"


def test_after_numbers_more_of_them_make_a_batch() -> None:
    boxed = Boxed(nbytes=1 << 20)
    assert _fill(boxed, int) == BATCH_ITEMS
    assert _fill(boxed, int) == _fill(boxed, float) == _fill(boxed, bool) == BATCH_NUMBERS
    assert _fill(boxed, _text) == BATCH_NUMBERS, "no other kind was expected"
    assert _fill(boxed, int) == BATCH_ITEMS
    assert _fill(boxed, int) == BATCH_NUMBERS
    boxed.box.make_ready()
    boxed.sink.taken = 0
    assert _fill(boxed, int) == BATCH_ITEMS
    boxed.close()


def test_texts_after_numbers_stay_within_the_budget() -> None:
    for nbytes in (300_000, 1 << 20):
        boxed = Boxed(nbytes=nbytes)
        _fill(boxed, int)
        most = boxed.box.short - 1
        assert BATCH_ITEMS < _fill(boxed, partial(_text, length=most)) <= BATCH_NUMBERS
        assert nbytes / 3 < len(boxed.sink.frames[-1][0].body) <= nbytes
        _fill(boxed, int)
        assert _fill(boxed, lambda number: _text(number, 32)) < BATCH_ITEMS, "they count as pickles"
        boxed.close()


def test_a_small_budget_makes_small_batches() -> None:
    boxed = Boxed(nbytes=100)
    assert not boxed.add(1)
    assert boxed.add(2), "of any two texts that are not counted, no third has room"
    boxed.box.flush()
    assert boxed.add("x" * 300)
    boxed.close()


MANY = 3 * (MAX_REFS // ITEM_REFS)


def test_a_frame_never_has_more_blocks_than_it_may(boxed: Boxed) -> None:
    item = arrays(ITEM_REFS)
    for _ in range(MANY):
        if boxed.add(item[:-1]):
            boxed.box.flush()
    boxed.box.flush()
    assert len(boxed.got()) == MANY


def test_as_many_small_arrays_share_a_frame_as_large_ones_by_their_bytes() -> None:
    counts = {}
    for nbytes in (BLOCK_BYTES, 16 * BLOCK_BYTES):
        boxed, added = Boxed(nbytes=1 << 22), 1
        while not boxed.add(*arrays(1, nbytes)):
            added += 1
        counts[nbytes] = added
        boxed.close()
    assert 90 <= counts[BLOCK_BYTES] <= 96, "768 KiB"
    assert counts[16 * BLOCK_BYTES] == 6


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("size", [7000, BLOCK_BYTES, 10_000, 100_000, 300_000, 2_000_000])
def test_what_waits_is_at_most_the_budget_and_one_item(
    size: int,
    waits: bool,  # noqa: FBT001
) -> None:
    budget = 1 << 20 if size >= BLOCK_BYTES else 100_000
    boxed = Boxed(nbytes=budget)
    boxed.box.flusher.call = int  # type: ignore[assignment]
    boxed.sink.waits, made = waits, 0
    for _ in range(3):
        while (stop := boxed.box.send_due(made, each=False)) > made:
            while not (boxed.add(*arrays(1, size)) or made + 1 >= stop):
                made += 1
            made += 1
        nbytes = (made - boxed.sink.taken) * size
        assert 0.75 * budget - size <= nbytes <= max(budget + size, 5 * size)
        boxed.sink.taken = made
    boxed.close()


def test_after_the_flusher_too_no_more_is_made_than_may_wait() -> None:
    boxed = Boxed(nbytes=1 << 20)
    boxed.add(*arrays(1, 600_000))
    boxed.box.flush()
    assert not boxed.add(*arrays(1, 280_000))
    boxed.box._frames_before = boxed.box._frames
    boxed.box._send_late()
    assert [boxed.add(*arrays(1, 100_000)) for _ in range(2)] == [False, True]
    boxed.close()


@pytest.mark.parametrize("item", [[1] * 10, {"a": 1, "b": "text"}, np.zeros(9000, np.uint8)])
@pytest.mark.parametrize("budget", [65_536, 300_000, 1 << 20])
def test_a_slow_loop_makes_frames_no_smaller(item: Any, budget: int) -> None:
    """What is free is never room for a few items only."""
    boxed = Boxed(nbytes=budget)
    boxed.box.flusher.call = int  # type: ignore[assignment]
    made = 0
    for _ in range(100):
        while (stop := boxed.box.send_due(made, each=False)) > made:
            while not (boxed.add(item) or made + 1 >= stop):
                made += 1
            made += 1
        boxed.box.flush()
        boxed.sink.taken += max(1, (made - boxed.sink.taken) // 7)
    counts = sorted(frame.items for frame, _ in boxed.sink.frames)
    assert counts[len(counts) // 10] >= counts[-1] // 3
    boxed.close()


def test_arrays_and_pickles_together_are_at_most_the_budget_and_one_item() -> None:
    budget = 200_000
    boxed = Boxed(nbytes=budget)
    boxed.box.flusher.call = int  # type: ignore[assignment]
    made = 0
    while (stop := boxed.box.send_due(made, each=False)) > made:
        while not (boxed.add(*arrays(1, 1000 if made % 10 else 12_000)) or made + 1 >= stop):
            made += 1
        made += 1
    sent = [len(frame.body) + sum(ref.nbytes for ref in refs) for frame, refs in boxed.sink.frames]
    assert 0.75 * budget < sum(sent) <= budget + 12_000
    boxed.close()


def test_items_wait_until_the_window_knows_of_them(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the flusher sends them, the thread that makes items looks how many more may wait."""
    waiting: list[int] = []
    monkeypatch.setattr(Window, "sent", lambda *_: waiting.append(len(boxed.box.entries)))
    boxed.add(1)
    boxed.box.flush()
    assert waiting == [1]


def test_half_of_what_may_wait_shares_a_frame() -> None:
    boxed = Boxed(nbytes=1 << 20)
    assert [boxed.add(*arrays(1, 100_000)) for _ in range(6)] == [False] * 5 + [True]
    boxed.box.send_due(6, each=False)
    assert [boxed.add(*arrays(1, 100_000)) for _ in range(5)] == [False] * 4 + [True], "no room"
    boxed.close()


@pytest.mark.parametrize("size", [60_000, 1 << 20])
def test_large_items_do_not_pile_up(boxed: Boxed, size: int) -> None:
    adding = [boxed.add(b"x" * size) for _ in range(3)]
    assert adding[-1], "more than 128 KiB wait"
    assert adding[1] is (2 * size > 128 << 10)


def test_contents_in_the_arena_fill_a_frame_later_than_pickles() -> None:
    boxed = Boxed(nbytes=1 << 20)
    assert [boxed.add(b"x" * 80_000) for _ in range(7)] == [False] * 6 + [True]
    boxed.close()
    boxed = Boxed(nbytes=1 << 20)
    boxed.sink.arena = None
    boxed.box = Outbox(boxed.sink, boxed.window, 1 << 20)  # type: ignore[arg-type]
    assert boxed.add(b"x" * 80_000), "it goes through the pipe"
    boxed.close()


def test_contents_that_find_no_room_in_the_arena_count_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("farside._memory.arena.Arena.store", lambda *_: None)
    boxed = Boxed(nbytes=1 << 22)
    assert [boxed.add(*arrays(1, 20_000)) for _ in range(2)] == [False, True], "in the pipe"
    boxed.close()


def test_dropping_gives_all_blocks_back_and_makes_room(boxed: Boxed) -> None:
    while not boxed.add([1, *arrays(10)]):
        pass
    assert boxed.blocks.used > 0
    boxed.box.drop()
    assert boxed.blocks.used == 0
    assert not boxed.box.is_full()
    boxed.box.flush()
    assert boxed.sink.frames == []


class Refuses:
    def __reduce__(self) -> str:
        raise LookupError("refuses")


def test_an_item_that_does_not_pickle_is_told_and_the_others_go(boxed: Boxed) -> None:
    boxed.add(1)
    boxed.add({})
    with pytest.raises(LookupError):
        boxed.add(Refuses())
    assert boxed.box.refused
    boxed.add({2: 2})
    assert not boxed.box.refused
    boxed.box.flush()
    assert boxed.frames() == [[1, {}, {2: 2}]]


def test_after_many_items_that_are_not_plain_the_pass_looks_at_none(boxed: Boxed) -> None:
    def plain_after(misses: int) -> bool:
        for _ in range(misses):
            boxed.add({"not": [dt.date(2000, 1, 1)]})
        boxed.box.flush()
        boxed.add({"plain": 1})
        boxed.box.flush()
        return boxed.plain()[-1]

    assert plain_after(31), "it begins to count again"
    assert plain_after(31)
    assert not plain_after(32)
    assert not plain_after(0)
    boxed.box.make_ready()
    boxed.box.begin(EPOCH)
    assert plain_after(0)


def test_frames_say_once_what_their_items_share(boxed: Boxed) -> None:
    frames = [[{"name": [number, each]} for each in range(12)] for number in range(4)]
    for items in frames:
        for item in items:
            boxed.add(item)
        boxed.box.flush()
    assert boxed.frames() == frames
    bodies = [bytes(frame.body) for frame, _ in boxed.sink.frames]
    assert [body.count(b"name") for body in bodies] == [12, 1, 1, 1]
    boxed.box.make_ready()
    boxed.box.begin(EPOCH)
    boxed.add({"name": []})
    boxed.box.flush()
    assert boxed.got()[-1] == {"name": []}


def test_pieces_go_with_everything_else(boxed: Boxed) -> None:
    alone, large = dt.date(2000, 1, 1), b"z" * 10_000
    items: list[Any] = [{"a": [number]} for number in range(12)]
    for item in items:
        boxed.add(item)
    boxed.box.flush()
    rest = [1, {"a": [2]}, {"b": 3}, ("c", 4), 5.0, {"a": [6]}, "e" * 300]
    for others in ([], [alone], [large], [alone, large]):
        for item in [*rest, *others]:
            boxed.add(item)
        boxed.box.flush()
    assert boxed.frames() == [items, rest, [*rest, alone], [*rest, large], [*rest, alone, large]]
    assert boxed.plain() == [True, True, False, False, False]


def test_where_frames_are_of_several_kinds_the_start_does_not_go_with_each_item(
    boxed: Boxed,
) -> None:
    item, alone = (
        {f"a long name of a key {each}": [each] for each in range(20)},
        dt.date(2000, 1, 1),
    )
    for _ in range(150):
        for each in [*[item] * 9, alone]:
            boxed.add(each)
        boxed.box.flush()
    assert boxed.got()[-10:] == [*[item] * 9, alone]
    bodies = [frame.body for frame, _ in boxed.sink.frames[-20:]]
    assert not [each for body in bodies for each in pickle.loads(body) if each[:2] == HEAD]
    assert pickle.loads(bodies[-1])[-1] == pickle.dumps(alone, 5), "as it was made"
    for again in (False, True):
        if again:
            boxed.box.make_ready()
            boxed.box.begin(EPOCH)
        boxed.add(item)
        boxed.box.flush()
        assert boxed.plain()[-1] == again


def test_a_frame_that_cannot_be_made_is_not_lost(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    for item in (1, {"a": 1}, b"x" * 10_000):
        boxed.add(item)
    with monkeypatch.context() as patch:
        patch.setattr("farside._worker.outbox.pack", fails)
        with pytest.raises(MemoryError):
            boxed.box.flush()
    boxed.box.flush()
    assert boxed.frames() == [[1, {"a": 1}, b"x" * 10_000]]


def test_a_parent_that_is_gone_is_told(boxed: Boxed) -> None:
    def gone() -> None:
        raise LinkClosedError

    boxed.sink.before = gone
    boxed.add(1)
    with pytest.raises(LinkClosedError):
        boxed.box.flush()
    boxed.box.drop()


@STEADY
@given(
    st.lists(
        st.sampled_from([1, "", {"a": 1}, (1, "z" * 200), "x" * 300, b"y" * 9000, "flush", "drop"]),
        max_size=60,
    ),
    st.sampled_from([40, 5000, 1 << 18]),
)
def test_any_succession_of_items_and_acts(steps: list[Any], nbytes: int) -> None:
    boxed = Boxed(nbytes, arena_bytes=1 << 16)
    expected: list[Any] = []
    waiting: list[Any] = []
    for step in steps:
        if step == "drop":
            boxed.box.drop()
            waiting.clear()
            continue
        if step != "flush":
            waiting.append(step)
        if step == "flush" or boxed.add(step):
            boxed.box.flush()
            expected += waiting
            waiting.clear()
    assert boxed.box.entries == [] or waiting
    assert boxed.got() == expected
    assert all(len(frame) <= BATCH_NUMBERS for frame in boxed.frames())
    boxed.box.drop()
    boxed.blocks.give_all_back(ref for _, refs in boxed.sink.frames for ref in refs)
    assert boxed.blocks.used == 0
    boxed.close()


@pytest.mark.parametrize("taken", [0, 1], ids=["in_vain", "in_time"])
def test_it_looks_for_credit_before_it_sleeps(taken: int) -> None:
    said: list[object] = []

    class Link:
        arena = None

        def acknowledged(self, epoch: int) -> int:
            assert epoch == EPOCH
            return max(taken, said.count("slept"))

        def spin_for_credit(self, epoch: int, total: int) -> bool:
            said.append((epoch, total))
            return taken >= total

        def wait_for_credit(self, epoch: int, total: int) -> bool:
            assert (epoch, total) == (EPOCH, 1)
            said.append("slept")
            return True

    window = Window(3, 1 << 20)
    box = Outbox(Link(), window, 1 << 20, spins=True)  # type: ignore[arg-type]
    box.begin(EPOCH)
    assert box.wait_for_credit(4)
    assert said == ([(EPOCH, 1)] if taken else [(EPOCH, 1), "slept"])
