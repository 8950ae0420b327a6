"""Records that find no room are counted, each once."""

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

    def post(self, _: int, __: int, parts: list[bytes], ___: float) -> bool:
        if not self.room:
            raise BlockingIOError
        self.room -= 1
        self.posted += parts
        return True

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
