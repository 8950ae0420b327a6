"""Objects to bytes and back: pickle protocol 5, with out-of-band buffers beside the pickle.

A body without buffers is the pickle alone (which begins with 0x80). A body with buffers is a
table, the pickle, and the buffers, each at a multiple of 16 bytes::

    b"B" 7×0 | count u64 | length of the pickle u64 | length of each buffer u64 … | pickle | buffers

Plain pickle comes first. What it refuses (lambdas, closures, functions of ``__main__`` …) goes
through cloudpickle where that is installed.
"""

from __future__ import annotations

import pickle
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    Part: TypeAlias = bytes | memoryview
    Body: TypeAlias = bytes | bytearray

_TABLE_MARK = b"B"
_ALIGN = 16
_START = struct.Struct("<8sQQ")


def dumps(obj: object) -> list[Part]:
    """Pickle an object.

    The parts refer to the object's own buffers: they must be sent before the object can change.

    Returns:
        What to send, in order.

    Raises:
        BaseException: whatever pickling raised: cloudpickle's error where it is installed.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = pickle.dumps(obj, 5, buffer_callback=buffers.append)
    except Exception:
        buffers.clear()
        by_value = cloudpickle_dumps()
        if by_value is None:
            raise
        data = by_value(obj, protocol=5, buffer_callback=buffers.append)
    return _join(data, buffers) if buffers else [data]


def has_cloudpickle() -> bool:
    """Tell whether cloudpickle is installed."""
    return cloudpickle_dumps() is not None


def dumps_by_value(obj: object) -> bytes | None:
    """Pickle with cloudpickle; None when it is not installed."""
    by_value = cloudpickle_dumps()
    return None if by_value is None else by_value(obj, protocol=5)


def loads(body: Body) -> Any:  # it is whatever was pickled
    """Unpickle a body.

    Buffers come back as writable views of the body, which lives as long as they do.

    Raises:
        BaseException: whatever unpickling raises.
    """
    if body[:1] != _TABLE_MARK:
        return pickle.loads(body)  # both sides run the same user's code
    view = memoryview(body if isinstance(body, bytearray) else bytearray(body))
    _, count, length = _START.unpack_from(view)
    sizes = struct.unpack_from(f"<{count}Q", view, _START.size)
    position = _START.size + 8 * count
    data = view[position : position + length]
    position += length
    buffers = []
    for size in sizes:
        position += -position % _ALIGN
        buffers.append(view[position : position + size])
        position += size
    return pickle.loads(data, buffers=buffers)


def _join(data: bytes, buffers: Sequence[pickle.PickleBuffer]) -> list[Part]:
    views = [buffer.raw() for buffer in buffers]
    sizes = [view.nbytes for view in views]
    table = _START.pack(_TABLE_MARK, len(sizes), len(data))
    parts: list[Part] = [table + struct.pack(f"<{len(sizes)}Q", *sizes), data]
    position = len(parts[0]) + len(data)
    for view, size in zip(views, sizes):  # noqa: B905  same length; strict costs on a hot path
        pad = -position % _ALIGN
        if pad:
            parts.append(bytes(pad))
        parts.append(view)
        position += pad + size
    return parts


def cloudpickle_dumps() -> Callable[..., bytes] | None:
    """Return cloudpickle's ``dumps``; None when it is not installed."""
    try:
        import cloudpickle  # optional, and heavy
    except ImportError:
        return None
    dumps: Callable[..., bytes] = cloudpickle.dumps
    return dumps


def size(parts: Sequence[Part]) -> int:
    """Return how many bytes a body has."""
    if len(parts) == 1:  # so it is for every small item
        part = parts[0]
        return part.nbytes if isinstance(part, memoryview) else len(part)
    return sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)
