"""Sending without waiting: what a signal handler does in the middle of it."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

import pytest

from farside.errors import ChannelClosedError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._transport.pipes import PipeParentChannel


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


def strike() -> None:
    raise HandlerError


def test_a_stream_that_a_handler_has_cut_in_two_is_not_used_again(
    parent: PipeParentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "writev", striking(strike))
    with pytest.raises(HandlerError):
        parent.send(1, 1)
    with pytest.raises(ChannelClosedError):
        parent.send(2, 1)
    with pytest.raises(ProtocolError, match="struck in a send"):
        parent.receive(deque(), 0)


def test_a_handler_that_sends_in_the_middle_of_a_frame_is_refused(
    parent: PipeParentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[ChannelClosedError] = []

    def send() -> None:
        try:
            parent.send(2, 1)
        except ChannelClosedError as error:
            refused.append(error)

    monkeypatch.setattr(os, "writev", striking(send))
    parent.send(1, 1)
    assert refused
    parent.send(3, 1)


def test_a_handler_may_close_in_the_middle_of_a_frame(
    parent: PipeParentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "writev", striking(parent.close))
    parent.send(1, 1)
    with pytest.raises(ChannelClosedError):
        parent.send(2, 1)
