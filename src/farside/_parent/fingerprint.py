"""Fingerprints of shards, or of the inputs of a map: the same in every process."""

from __future__ import annotations

import pickle
from hashlib import blake2b
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = (str, int, float, bool, bytes, type(None), range, PurePath)


def fingerprint(shards: Sequence[Any] | None) -> str:
    """Return a fingerprint of shards; an empty one if they are numbers: their count says all."""
    if shards is None:
        return ""
    digest = blake2b(digest_size=8)
    for shard in shards:
        digest.update(_bytes_of(shard))
    return digest.hexdigest()


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, _PLAIN):
        return f"{str(value) if isinstance(value, PurePath) else repr(value)}\n".encode()
    if isinstance(value, (tuple, list)):
        return b"(" + b"".join(map(_bytes_of, value)) + b")"
    if isinstance(value, (set, frozenset)):  # its order differs from process to process
        return b"<" + b"".join(sorted(map(_bytes_of, value))) + b">"
    if isinstance(value, dict):
        items = sorted((_bytes_of(key), _bytes_of(item)) for key, item in value.items())
        return b"{" + b"".join(key + item for key, item in items) + b"}"
    try:
        return pickle.dumps(value, 5)
    except Exception:  # cloudpickle may take it, but its pickles are not the same each time
        return type(value).__qualname__.encode()
