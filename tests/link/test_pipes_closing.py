"""Closing the link over pipes: by another thread at the worst moment, and across a fork."""

import os
from collections import deque
from collections.abc import Callable

import pytest

from farside._link.frames import Decoder
from farside._link.pipes import PipeLink
from farside._link.worker_pipes import PipeWorkerLink
from farside._system.descriptors import pipe
from farside.errors import LinkClosedError
from tests.background import Background, receive
from tests.children import exit_code, fork


def test_closing_while_something_waits_for_room(parent: PipeLink, worker: PipeWorkerLink) -> None:
    parent.send(1, 1, [bytes(1 << 20)])
    parent.close()
    with pytest.raises(LinkClosedError):
        receive(parent, deque())
    with pytest.raises(LinkClosedError):
        worker.receive(deque())


def test_a_worker_whose_wake_up_descriptor_was_closed_waits_for_nothing(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    kept = os.dup(worker._wakes)
    os.close(worker._wakes)
    try:
        with pytest.raises(LinkClosedError, match="that wakes the worker was closed"):
            worker.wait_for_credit(1, 1)
    finally:
        os.dup2(kept, worker._wakes)
        os.close(kept)
    parent.close()


def closing_first(parent: PipeLink, call: Callable[..., int]) -> Callable[..., int]:
    """Close the parent's side just before a system call, as another thread may."""
    begun: list[bool] = []

    def closed(*args: object) -> int:
        if not begun:  # closing may call it as well
            begun.append(True)
            parent.close()
        return call(*args)

    return closed


def test_closing_just_before_a_send(parent: PipeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "writev", closing_first(parent, os.writev))
    with pytest.raises(LinkClosedError):
        parent.send(1, 1)


def test_closing_just_before_a_grant_is_no_error(
    parent: PipeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", closing_first(parent, os.write))
    parent.revoke(1)


def test_closing_while_another_thread_wakes_the_worker_writes_to_nobody_else(
    parent: PipeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    written: list[int] = []

    def closing(fd: int, data: bytes) -> int:
        Background(parent.close).result()
        with open(os.devnull) as stranger:  # it gets the lowest number that is free
            assert stranger.fileno() != fd
        written.append(write(fd, data))
        return 1

    monkeypatch.setattr(os, "write", closing)
    parent.revoke(1)
    assert written == [1]


class ClosingDecoder(Decoder):
    """Lets the link be closed just before it is read."""

    def __init__(self, parent: PipeLink) -> None:
        super().__init__()
        self.parent = parent

    def buffer(self) -> memoryview:
        self.parent.close()
        return super().buffer()


def test_closing_just_before_a_read(parent: PipeLink, worker: PipeWorkerLink) -> None:
    worker.send(1, 1)
    parent._reader._decoder = ClosingDecoder(parent)
    with pytest.raises(LinkClosedError):
        receive(parent, deque())


def test_a_forked_child_of_the_parent_does_not_hold_the_channel_open(
    parent: PipeLink, worker: PipeWorkerLink
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
        with pytest.raises(LinkClosedError):
            worker.receive(deque())
        with pytest.raises(LinkClosedError):
            worker.send(1, 1)
    finally:
        for fd in (answer, asked, waits, ready):
            os.close(fd)
        assert exit_code(child) == 0


def test_a_closed_parent_writes_nothing_that_the_worker_reads(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    parent.acknowledge(1, 1)
    parent.close()
    parent.acknowledge(1, 2)
    parent.tell_waiting(True)
    assert worker.acknowledged(1) == 1
    assert not worker.parent_waits()


def test_what_it_owns_beside_its_ends_is_closed_with_it(parent: PipeLink) -> None:
    kept, watched = pipe()
    parent.keep(kept)
    parent.watch(watched.fileno())
    sentinel = parent._sentinel
    assert sentinel is not None
    parent.close()
    assert kept.closed
    assert sentinel.closed
    watched.close()
