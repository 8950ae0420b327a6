"""Makes fingerprints of shards, or of the inputs of a map, which are the same in every process."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from ..._payload import handlers
from ..._payload.anchors import SetFinder
from ..._payload.reducers import table_of_items

_PLAIN = (str, int, float, bool, bytes, type(None), range, PurePath)
_BY_PLACE = frozenset({"FRAME", "BINGET", "LONG_BINGET"})  # whose arguments depend on the place


def fingerprint(shards: Sequence[Any] | None) -> str:
    """Return a fingerprint of shards; an empty one for None: then they are only numbers."""
    if shards is None:
        return ""
    digest = blake2b(digest_size=8)
    for shard in shards:
        digest.update(_bytes_of(shard))
    return digest.hexdigest()


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, _PLAIN):
        text = str(value) if isinstance(value, PurePath) else repr(value)
        return f"{text}\n".encode("utf-8", "surrogatepass")  # the name of a file may be any bytes
    if isinstance(value, (tuple, list)):
        return b"(" + b"".join(map(_bytes_of, value)) + b")"
    if isinstance(value, (set, frozenset)):  # its order differs from process to process
        return b"<" + b"".join(sorted(map(_bytes_of, value))) + b">"
    if isinstance(value, dict):
        items = sorted((_bytes_of(key), _bytes_of(item)) for key, item in value.items())
        return b"{" + b"".join(key + item for key, item in items) + b"}"
    try:
        return _pickle(value)
    except Exception as error:  # cloudpickle may pickle it, but not in the same way each time
        if handlers.raised(error):
            raise
        return type(value).__qualname__.encode()


class _Pickler(SetFinder):
    """Pickles paths as text: each version of Python has another way."""

    def reducer_override(self, value: Any) -> Any:
        return (str, (str(value),)) if isinstance(value, PurePath) else NotImplemented


def _pickle(value: Any) -> bytes:
    """Return a pickle; if it has sets, whose order may be any, return its parts, sorted."""
    file = io.BytesIO()
    finder = _Pickler(file, 5)
    finder.dispatch_table = table_of_items()  # torch alone would write addresses
    finder.dump(value)
    stream = file.getvalue()
    if not finder.found:
        return stream
    from pickletools import genops  # hardly anybody needs it

    parts = [(operation.name, repr(argument)) for operation, argument, _ in genops(stream)]
    return repr(sorted([each for each in parts if each[0] not in _BY_PLACE])).encode()
