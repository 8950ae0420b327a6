"""Sending without waiting: what a signal handler does in the middle of it."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING

import pytest

from farside._link import writer
from farside.errors import LinkClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._link.frames import Frame
    from farside._link.pipes import PipeLink
    from farside._link.worker_pipes import PipeWorkerLink


class HandlerError(Exception):
    """What the handler of a signal raises."""


def striking(handler: Callable[[], object]) -> Callable[..., int]:
    """Return a ``writev`` after which a signal handler runs, once."""
    real = os.writev
    handlers = [handler]

    def writev(fd: int, parts: list[bytes]) -> int:
        count = real(fd, parts)
        if handlers:
            handlers.pop()()
        return count

    return writev


def refusing(handler: Callable[[], object]) -> Callable[..., int]:
    """Return a ``writev`` that finds no room, once, while a signal handler runs."""
    real = os.writev
    handlers = [handler]

    def writev(fd: int, parts: list[bytes]) -> int:
        if handlers:
            handlers.pop()()
            raise BlockingIOError
        return real(fd, parts)

    return writev


def test_a_handler_that_raises_cuts_no_frame_in_two(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_of(*_: object) -> None:
        raise HandlerError

    with monkeypatch.context() as patched:
        patched.setattr(writer, "left_of", left_of)
        with pytest.raises(HandlerError):
            parent.send(1, 1)
    assert parent.congested  # so whoever waits flushes
    parent.flush()
    parent.send(2, 1)
    frames: deque[Frame] = deque()
    while len(frames) < 2:
        worker.receive(frames)
    assert [frame.kind for frame in frames] == [1, 2]


@pytest.mark.parametrize("first", ["is sent", "finds no room"])
def test_what_is_sent_in_the_middle_of_a_frame_follows_it(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A signal handler or a finalizer may send: it neither waits for the frame nor cuts it."""
    all_sent: list[bool] = []

    def send() -> None:
        all_sent.append(parent.send(2, 1))
        parent.flush()

    writev = striking(send)
    if first == "finds no room":
        writev = refusing(send)
    monkeypatch.setattr(os, "writev", writev)
    assert parent.send(1, 1, [bytes(100)]) == (first == "is sent")
    assert all_sent == [False]
    parent.send(3, 1)
    assert not parent.congested
    frames: deque[Frame] = deque()
    while len(frames) < 3:
        worker.receive(frames)
    assert [frame.kind for frame in frames] == [1, 2, 3]


def test_a_handler_may_close_in_the_middle_of_a_frame(
    parent: PipeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "writev", striking(parent.close))
    parent.send(1, 1)
    with pytest.raises(LinkClosedError):
        parent.send(2, 1)


def test_what_the_system_has_no_memory_for_is_sent_later(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with monkeypatch.context() as patched:
        patched.setattr(os, "writev", full)
        assert not parent.send(1, 2)
        assert parent.congested
        with pytest.raises(OSError, match="memory"):
            parent.flush()
    parent.flush()
    assert not parent.congested
    frames: deque[Frame] = deque()
    worker.receive(frames)
    assert [(frame.kind, frame.epoch) for frame in frames] == [(1, 2)]
