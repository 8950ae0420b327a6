"""What calls of the actor carry."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from ..._memory.parts import Part, size
from ..._memory.recycled import Recycled

Command: TypeAlias = tuple[int, int, list[Any]]  # kind, epoch, and body as `beside` makes it
_BESIDE_BYTES = 1 << 16  # from here on, Ray moves the contents of a part without another copy
_RECYCLED_BYTES = 1 << 20  # larger bodies take longer to find memory for than to copy


class Words(NamedTuple):
    """What the parent tells with each call. The one with the highest number is true."""

    number: int = -1
    epoch: int = 0  # the pass of which items were taken,
    total: int = 0  # and how many
    revoked: int = 0  # the pass that was left last
    closed: int = 0  # what of the link is: 1 the way up, 2 all of it
    awaited: int = 0  # the pass in which somebody waits for a worker that has asked


class Reply(NamedTuple):
    """What a call of `Actor.pull` returns. Times are durations: each machine has its own clock."""

    number: int
    # As ``(kind, epoch, items, parts, contents)``, where contents are a list, or what refers to an
    # object of Ray's, which the parent fetches.
    frames: list[tuple[int, int, int, list[Any], Any]]
    # For which total of which pass the worker waits; ``~total``: somebody shall wait for it too.
    wish: tuple[int, int] | None
    waited: float  # for how many seconds, in all
    last: bool  # whether this is
    who: tuple[int, str]  # process and machine
    begun: tuple[int, float | None] = (0, None)  # an input, as in `control.BEGUN`, and its seconds
    held: float = 0.0  # for how many seconds the call was there


def beside(parts: Sequence[Part], length: int) -> list[Any]:
    """Return parts as Ray moves them best: what is small in one, what is large by itself."""
    if length < _BESIDE_BYTES:
        return [b"".join(parts)]
    large = [memoryview(part).nbytes >= _BESIDE_BYTES for part in parts]
    return [
        pickle.PickleBuffer(part) if alone else bytes(part)
        for part, alone in zip(parts, large, strict=True)
    ]


def joined(parts: list[Any], buffers: Recycled | None = None) -> bytes | bytearray | memoryview:
    """Put a body together; what Ray holds is only read, and contents are to be written to."""
    if len(parts) == 1 and type(parts[0]) is bytes:
        return parts[0]
    if buffers is None or size(parts) < _RECYCLED_BYTES:
        return bytearray().join(parts)
    return buffers.copy(parts)
