"""Reducers for Arrow arrays, record batches and tables. Imported only if pyarrow already is.

Small tables and record batches cross as messages of Arrow's IPC format, which pyarrow writes and
reads in a fifth of the time that pickling takes. Messages copy the memory once more, so large
tables are pickled, with their buffers out of band. So are those with nested columns, dictionaries
or extension types, which one message cannot hold. pyarrow pickles a slice with the whole buffers of
the array that it was taken from. So what a small slice shows is copied before it is pickled.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

from .reducers import Reduced, keep, reduce_by_default

_HIDDEN_BYTES = 1 << 12  # a slice may carry so many beside its own: copying would cost more
_MESSAGE_BYTES = 1 << 19  # from here on, copying memory once more costs more than pickling

_latest: tuple[Any, bytes | None] = None, None
"""The sending side's: the latest schema, and its bytes; None if its tables are pickled."""

_schemas: dict[bytes, Any] = {}  # the receiving side's: schemas by their bytes


def reduce_array(array: Any) -> Reduced:
    """Reduce an array, or a copy of what it shows if its buffers hold much else."""
    try:
        more = array.get_total_buffer_size() - _HIDDEN_BYTES
        hides = more > 0 and more > 2 * array.nbytes  # last: `nbytes` takes pyarrow longer
        shown = copied(array) if hides else array
    except Exception:  # pyarrow lacks it for this type
        shown = array
    return reduce_by_default(shown)


def copied(array: Any) -> Any:
    """Return a copy of what an array shows."""
    lib = sys.modules["pyarrow.lib"]
    # pyarrow would return a single array as it is. Of views, it takes the texts of both arrays.
    views = str(array.type) in {"string_view", "binary_view"}
    return lib.concat_arrays([array, lib.nulls(0, array.type) if views else array.slice(0, 0)])


def reduce_table(table: Any) -> Reduced:
    schema = _written(table.schema)
    batches = [] if schema is None else table.to_batches()
    message = _message(batches[0]) if len(batches) == 1 else None
    return reduce_by_default(table) if message is None else (rebuild_table, (schema, message))


def reduce_batch(batch: Any) -> Reduced:
    schema = _written(batch.schema)
    message = None if schema is None else _message(batch)
    return reduce_by_default(batch) if message is None else (rebuild_batch, (schema, message))


def rebuild_table(schema: bytes, message: Any) -> Any:
    import pyarrow as pa  # the user's

    return pa.Table.from_batches([rebuild_batch(schema, message)])


def rebuild_batch(schema: bytes, message: Any) -> Any:
    import pyarrow as pa  # the user's

    known = _schemas.get(schema)
    if known is None:
        known = keep(_schemas, schema, pa.ipc.read_schema(pa.py_buffer(schema)))
    return pa.ipc.read_record_batch(pa.py_buffer(message), known)


def _written(schema: Any) -> bytes | None:
    """Return the bytes of a schema; None if its tables have to be pickled."""
    global _latest  # noqa: PLW0603  tables are mostly alike
    known, written = _latest
    if known is None or not known.equals(schema, check_metadata=True):
        lib = sys.modules["pyarrow.lib"]
        beside = lib.DictionaryType, lib.BaseExtensionType
        plain = all(kind.num_fields == 0 and not isinstance(kind, beside) for kind in schema.types)
        written = schema.serialize().to_pybytes() if plain else None
        _latest = schema, written
    return written


def _message(batch: Any) -> pickle.PickleBuffer | None:
    """Return a batch as a message; None if it has to be pickled."""
    try:
        small = sys.modules["pyarrow.lib"].get_record_batch_size(batch) < _MESSAGE_BYTES
        return pickle.PickleBuffer(batch.serialize()) if small else None
    except Exception:  # such as memory of a GPU
        return None
