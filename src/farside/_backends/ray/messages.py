"""What calls of the actor carry."""

from __future__ import annotations

from typing import Any, NamedTuple


class Words(NamedTuple):
    """What the parent tells with each call. The one with the highest number is true.

    Its own number, of which pass items were taken and how many, which pass was left last, and what
    of the link is closed: 1 the way up, 2 all of it.
    """

    number: int = -1
    epoch: int = 0
    total: int = 0
    revoked: int = 0
    closed: int = 0


class Reply(NamedTuple):
    """What a call of `Actor.pull` returns.

    Its number; frames as ``(kind, epoch, items, parts)``; for which total of which pass the worker
    waits; for how long it has waited in all; whether this is the last; process and machine.
    """

    number: int
    frames: list[tuple[int, int, int, list[Any]]]
    wish: tuple[int, int] | None
    waited: float
    last: bool
    who: tuple[int, str]
