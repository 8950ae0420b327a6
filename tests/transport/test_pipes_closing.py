"""Closing the channel over pipes: by another thread at the worst moment, and across a fork."""

import os
from collections import deque
from collections.abc import Callable

import pytest

from farside._transport.frames import Decoder
from farside._transport.pipes import PipeParentChannel
from farside._transport.worker_pipes import PipeWorkerChannel
from farside.errors import ChannelClosedError
from tests.transport.background import SECONDS
from tests.transport.children import exit_code, fork


def test_closing_while_something_waits_for_room(
    parent: PipeParentChannel, worker: PipeWorkerChannel
) -> None:
    parent.send(1, 1, [bytes(1 << 20)])
    parent.close()
    with pytest.raises(ChannelClosedError):
        parent.receive(deque(), SECONDS)
    with pytest.raises(ChannelClosedError):
        worker.receive(deque())


def closing_first(parent: PipeParentChannel, call: Callable[..., int]) -> Callable[..., int]:
    """Close the parent's side just before a system call, as another thread may."""
    begun: list[bool] = []

    def closed(*args: object) -> int:
        if not begun:  # closing may call it as well
            begun.append(True)
            parent.close()
        return call(*args)

    return closed


def test_closing_just_before_a_send(
    parent: PipeParentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "writev", closing_first(parent, os.writev))
    with pytest.raises(ChannelClosedError):
        parent.send(1, 1)


def test_closing_just_before_a_grant_is_no_error(
    parent: PipeParentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", closing_first(parent, os.write))
    parent.revoke(1)


class ClosingDecoder(Decoder):
    """Lets the channel be closed just before it is read."""

    def __init__(self, parent: PipeParentChannel) -> None:
        super().__init__()
        self.parent = parent

    def buffer(self) -> memoryview:
        self.parent.close()
        return super().buffer()


def test_closing_just_before_a_read(parent: PipeParentChannel, worker: PipeWorkerChannel) -> None:
    worker.send(1, 1)
    parent._reader._decoder = ClosingDecoder(parent)
    with pytest.raises(ChannelClosedError):
        parent.receive(deque(), SECONDS)


def test_a_forked_child_of_the_parent_does_not_hold_the_channel_open(
    parent: PipeParentChannel, worker: PipeWorkerChannel
) -> None:
    asked, answer = os.pipe()
    waits, ready = os.pipe()

    def live_on() -> None:
        os.close(answer)
        os.write(ready, b"!")
        os.read(asked, 1)

    child = fork(live_on)
    try:
        os.read(waits, 1)
        parent.close()
        with pytest.raises(ChannelClosedError):
            worker.receive(deque())
        with pytest.raises(ChannelClosedError):
            worker.send(1, 1)
    finally:
        for fd in (answer, asked, waits, ready):
            os.close(fd)
        assert exit_code(child) == 0
