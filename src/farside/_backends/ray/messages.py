"""What calls of the actor carry: `Words` and commands down, and a `Reply` up."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from ..._memory.parts import Part, size
from ..._memory.recycled import Recycled

Command: TypeAlias = tuple[int, int, list[Any]]  # kind, epoch, and body as `beside` makes it
_BESIDE_BYTES = 1 << 16  # from this size on, a part goes by itself, and Ray makes no other copy
_RECYCLED_BYTES = 1 << 20  # for larger bodies, to get new memory takes longer than to copy them


class Words(NamedTuple):
    """What the parent reports with each call. The words with the highest number are valid."""

    number: int = -1
    epoch: int = 0  # the pass of which items were taken,
    total: int = 0  # and how many
    revoked: int = 0  # the pass that was left last
    closed: int = 0  # how much of the link is closed: 1 the way up, 2 all of it
    awaited: int = 0  # the pass in which somebody waits for a worker that has asked


class Reply(NamedTuple):
    """What a call of `Actor.pull` returns. Times are durations: each machine has its own clock."""

    number: int
    # As ``(kind, epoch, items, parts, contents)``. The contents are a list, or a reference to an
    # object of Ray's, which the parent fetches.
    frames: list[tuple[int, int, int, list[Any], Any]]
    # The pass and the total for which the worker waits; ``~total``: somebody must wait for it, too.
    wish: tuple[int, int] | None
    waited: float  # for how many seconds the worker has waited, in all
    last: bool  # whether this is the last reply
    who: tuple[int, str]  # process and machine
    begun: tuple[int, float | None] = (0, None)  # the input that runs, as in `BEGUN`; its seconds
    held: float = 0.0  # for how many seconds the worker held the call


def beside(parts: Sequence[Part], length: int) -> list[Any]:
    """Return a body as Ray moves it best: joined if it is small, else with large parts apart."""
    if length < _BESIDE_BYTES:
        return [b"".join(parts)]
    large = [memoryview(part).nbytes >= _BESIDE_BYTES for part in parts]
    return [
        pickle.PickleBuffer(part) if alone else bytes(part)
        for part, alone in zip(parts, large, strict=True)
    ]


def joined(parts: list[Any], buffers: Recycled | None = None) -> bytes | bytearray | memoryview:
    """Join the parts of a body. Those that lie in Ray's memory are copied: it is read-only."""
    if len(parts) == 1 and type(parts[0]) is bytes:
        return parts[0]
    if buffers is None or size(parts) < _RECYCLED_BYTES:
        return bytearray().join(parts)
    return buffers.copy(parts)
