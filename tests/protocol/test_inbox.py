"""What an inbox does with frames that are no items, and when nobody takes its items any more."""

from __future__ import annotations

from collections import deque
from struct import pack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside._protocol import progress
from farside._protocol.inbox import Inbox
from farside._protocol.progress import NOTHING, Skipped, Snapshot
from farside.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator


def asking(returned: deque[int] | None) -> Inbox:
    """Return an inbox of a pass that asks for tasks back, or does not."""
    return Inbox(SimpleNamespace(returned=returned))


def test_tasks_that_are_given_back_come_where_they_are_asked_for() -> None:
    returned = deque([7])
    assert asking(returned).take_returned(pack("<3Q", 2, 0, 1 << 40)) == [2, 0, 1 << 40]
    assert returned == deque([7, 2, 0, 1 << 40])


@pytest.mark.parametrize(
    ("inbox", "body"),
    [(Inbox(), bytes(8)), (asking(None), bytes(8)), (asking(deque()), bytes(7))],
    ids=["no pass", "not asked for", "half a number"],
)
def test_tasks_that_nobody_asked_for_are_an_error(inbox: Inbox, body: bytes) -> None:
    with pytest.raises(ProtocolError, match="gave back tasks that nobody asked for"):
        inbox.take_returned(body)


def test_a_snapshot_goes_to_the_delivery_and_what_was_skipped_stays() -> None:
    told: list[Snapshot] = []
    inbox = Inbox(SimpleNamespace(take_snapshot=told.append))
    inbox.take_progress(progress.write(Snapshot(3, 5, b"state")))
    assert (told, inbox.skipped) == ([Snapshot(3, 5, b"state")], NOTHING)
    inbox.take_progress(progress.write(Skipped(2, 9, 0.5)))
    assert (told, inbox.skipped) == ([Snapshot(3, 5, b"state")], Skipped(2, 9, 0.5))


def test_a_snapshot_of_a_pass_without_a_delivery_is_dropped() -> None:
    inbox = Inbox()
    inbox.take_progress(progress.write(Snapshot(0, 1, b"state")))
    assert inbox.skipped == NOTHING


@pytest.mark.parametrize("left", [[], ["taken out"]])
def test_the_delivery_is_cleared_too_unless_another_worker_goes_on_there(left: list[str]) -> None:
    delivery = ["taken out"]
    inbox = Inbox(delivery)
    inbox.frames.append("frame")
    inbox.clear(with_delivery=not left)
    assert (inbox.cleared, list(inbox.frames), delivery) == (True, [], left)


def test_an_inbox_without_a_delivery_is_cleared() -> None:
    inbox = Inbox()
    inbox.frames.append("frame")
    inbox.clear()
    assert (inbox.cleared, list(inbox.frames)) == (True, [])


class _Changed(deque[Any]):
    """As another thread changes it, without a GIL, whenever Python goes through it."""

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("deque mutated during iteration")

    def copy(self) -> deque[Any]:  # type: ignore[override]  # it is no other such deque
        """Return what was there, as C code does at once."""
        return deque([self[0], self[1]])


def test_what_waits_is_told_also_as_another_thread_takes_it() -> None:
    inbox = Inbox()
    frames = [SimpleNamespace(items=2), SimpleNamespace(items=3)]
    inbox.frames = _Changed(frames)
    assert inbox.waiting == 5
    assert inbox.copied() == tuple(frames)
