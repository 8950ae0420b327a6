"""The outbox with two threads: whichever sends, and when, nothing is lost, doubled or mixed up."""

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from farside._memory.parts import BLOCK_BYTES
from farside._system.signals import with_lock
from tests.background import Background
from tests.worker.boxed import Boxed

# Interleaved by hand --------------------------------------------------------------------------


class Cut(list[Any]):
    """Entries; does something after every step that `flush` takes with them."""

    def __init__(self) -> None:
        super().__init__()
        self.after_copy: Callable[[], object] = list
        self.after_add: Callable[[], object] = list

    def __getitem__(self, index: Any) -> Any:
        copy = super().__getitem__(index)
        self.after_copy()
        return copy

    def append(self, entry: Any) -> None:
        super().append(entry)
        self.after_add()


@pytest.fixture
def cut(boxed: Boxed) -> Cut:
    entries = Cut()
    boxed.box.entries = entries
    return entries


def once(act: Callable[[], object]) -> Callable[[], object]:
    """Return what does something the first time only."""
    acts = [act]
    return lambda: acts.pop()() if acts else None


def test_the_flusher_goes_on_for_what_comes_just_after_it_has_sent(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread that makes items has looked up before it was told to: it calls nobody for this one.
    later: list[Callable[[], object]] = [lambda: boxed.add(2), list]
    monkeypatch.setattr(boxed.sink, "flush", list)
    monkeypatch.setattr(boxed.sink, "alert", lambda _: later.pop(0)())
    boxed.add(1)
    assert [boxed.box._send_late() for _ in range(3)] == [True, True, False]
    assert boxed.frames() == [[1], [2]]


def test_the_flusher_is_called_for_what_waits_while_the_parent_is_busy(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(boxed.sink, "parent_waits", lambda: False, raising=False)
    monkeypatch.setattr(boxed.sink, "acknowledged", lambda _: 0, raising=False)
    monkeypatch.setattr(boxed.box.flusher, "call", lambda: calls.append(len(boxed.box.entries)))
    assert boxed.box.send_due(0, each=False) == 1  # the first of a batch is looked at
    boxed.add(1)
    assert boxed.box.send_due(1, each=False) > 100
    assert calls == [1]


def test_the_flusher_sends_what_has_found_no_room(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(boxed.sink, "send", lambda *_, **__: False)
    monkeypatch.setattr(boxed.sink, "flush", lambda: done.append("sent"))
    monkeypatch.setattr(boxed.sink, "alert", bool)
    monkeypatch.setattr(boxed.box.flusher, "call", lambda: done.append("called"))
    boxed.add(1)
    boxed.box.flush()
    assert done == ["called"]
    boxed.box._send_late()
    assert done == ["called", "sent"]


def test_so_it_does_with_what_it_has_found_no_room_for_itself(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxed.sink, "send", lambda *_, **__: False)
    monkeypatch.setattr(boxed.sink, "flush", list)
    monkeypatch.setattr(boxed.sink, "alert", bool)
    boxed.add(1)
    assert [boxed.box._send_late() for _ in range(3)] == [True, True, False], "it comes again"


@pytest.mark.parametrize("late", [7, {"late": 1}, b"l" * 10_000], ids=["atom", "small", "stored"])
@pytest.mark.parametrize("first", [1, {"first": 1}], ids=["atom", "small"])
def test_what_comes_just_after_the_look_goes_in_the_next_frame(
    boxed: Boxed, cut: Cut, first: object, late: object
) -> None:
    cut.after_copy = once(lambda: boxed.add(late))
    boxed.add(first)
    boxed.box.flush()
    boxed.box.flush()
    assert boxed.frames() == [[first], [late]]
    assert boxed.plain() == [True, type(late) is not bytes]


@pytest.mark.parametrize("item", [date(2000, 1, 1), b"l" * 10_000], ids=["small", "stored"])
def test_what_was_added_and_not_counted_yet_goes_as_what_it_is(
    boxed: Boxed, cut: Cut, item: object
) -> None:
    boxed.add(1)
    cut.after_add = once(boxed.box.flush)
    boxed.add(item)
    boxed.add(2)
    boxed.box.flush()
    boxed.add(3)
    boxed.box.flush()
    assert boxed.frames() == [[1, item], [2], [3]]
    assert boxed.plain() == [False, True, True]


def test_room_is_kept_account_of_when_items_come_while_a_frame_is_made(
    boxed: Boxed, cut: Cut
) -> None:
    def fill() -> None:
        while not boxed.add(b"l" * 10_000):
            pass

    cut.after_copy = once(fill)
    boxed.add(1)
    boxed.box.flush()
    assert boxed.box.is_full(), "no more than this fits into the next frame"
    boxed.box.flush()
    first, second = boxed.frames()
    assert len(first) == 1
    assert 1 < len(second) <= 1 + (1 << 17) // 10_000, "half of what may wait"


# At their own pace ----------------------------------------------------------------------------


@pytest.fixture
def _frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_frequent_switches")
@pytest.mark.parametrize("arena_bytes", [1 << 25, 1 << 16])
def test_two_threads_lose_double_and_mix_up_nothing(arena_bytes: int) -> None:
    boxed = Boxed(arena_bytes=arena_bytes)
    box = boxed.box
    made: list[object] = []
    over = threading.Event()

    def send() -> None:  # as the flusher does
        while not over.is_set():
            with_lock(box._lock, box._send)

    sending = Background(send)
    buffer = bytearray(BLOCK_BYTES)
    for number in range(3000):
        kind = number * 7919 % 16
        item: Any = number
        if kind < 2:
            buffer[:4] = number.to_bytes(4, "little")
            item = buffer
        elif kind < 8:
            item = {"name": [number]}
        if boxed.add(item):
            box.flush()
        made.append(bytes(item) if item is buffer else item)
    over.set()
    sending.result()
    box.flush()
    got = [bytes(item) if isinstance(item, bytearray) else item for item in boxed.got()]
    assert got == made
    boxed.close()
