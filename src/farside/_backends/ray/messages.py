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
    """What the parent tells with each call. The one with the highest number is true.

    Its own number, of which pass items were taken and how many, which pass was left last, what of
    the link is closed (1 the way up, 2 all of it), and in which pass somebody waits for a worker
    that has asked.
    """

    number: int = -1
    epoch: int = 0
    total: int = 0
    revoked: int = 0
    closed: int = 0
    awaited: int = 0


class Reply(NamedTuple):
    """What a call of `Actor.pull` returns.

    Its number; frames as ``(kind, epoch, items, parts, contents)``, where contents are a list, or
    what refers to an object of Ray's, which the parent fetches; for which total of which pass the
    worker waits, or ``~total`` if somebody shall wait for it too; for how long it has waited in
    all; whether this is the last; process and machine; which input of a map runs, as a word of
    `control.BEGUN`, and for how many seconds; how many seconds the call was there. All times are
    durations: machines have clocks of their own.
    """

    number: int
    frames: list[tuple[int, int, int, list[Any], Any]]
    wish: tuple[int, int] | None
    waited: float
    last: bool
    who: tuple[int, str]
    begun: tuple[int, float | None] = (0, None)
    held: float = 0.0


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
