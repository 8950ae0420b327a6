"""Records that find no room: they are counted, each once, and nobody waits long for it."""

from __future__ import annotations

import threading
from typing import Any

from farside._payload.records import flatten_dropped
from farside._worker.forward import Forwarder


class NarrowLink:
    """Has room for some posts."""

    def __init__(self) -> None:
        self.room = 0
        self.posted: list[bytes] = []
        self.patience: list[float] = []
        self.sends = True

    def post(self, _: int, __: int, parts: list[bytes], patience: float) -> bool:
        self.patience.append(patience)
        if not self.room:
            raise BlockingIOError
        self.room -= 1
        self.posted += parts
        return self.sends

    def send(self, _: int, __: int, parts: list[bytes]) -> bool:
        self.posted += parts
        return True


def test_what_was_told_to_be_dropped_is_not_told_again() -> None:
    link: Any = NarrowLink()
    forwarder = Forwarder(link, lambda: None)

    def send_three() -> None:
        forwarder.forward(lambda: b"first")  # no room
        link.room = 1
        forwarder.forward(lambda: b"second")  # room for the news of the first
        link.room = 2
        forwarder.forward(lambda: b"third")

    thread = threading.Thread(target=send_three)  # not the one that makes items
    thread.start()
    thread.join()
    assert link.posted == [flatten_dropped(1), flatten_dropped(1), b"third"]


def test_a_thread_is_patient_once_and_again_when_there_was_room() -> None:
    link: Any = NarrowLink()
    calls: list[int] = []
    forwarder = Forwarder(link, lambda: calls.append(len(link.posted)))
    for link.room in (0, 0, 1):
        forwarder._post(b"one")
    link.room, link.sends = 3, False
    forwarder._post(b"two")
    forwarder._post(b"three")
    assert link.patience == [1, 0, 0, 0, 0, 0, 1]
    assert link.posted == [flatten_dropped(2), flatten_dropped(1), b"two", b"three"]
    assert calls == [3, 4]  # what has found no room is sent by the flusher
