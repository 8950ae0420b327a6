"""Arrow tables without what a slice does not show. Imported where pyarrow is there already.

Small tables and record batches cross as a message of Arrow's own (IPC), which pyarrow writes and
reads in a fifth of the time that it takes to pickle them. Its memory is copied once more, so large
ones are pickled, with their buffers out of band; so are those of nested columns, of dictionaries
and of extension types, which a message alone does not hold. A slice refers to the buffers of the
array that it was taken from, and pyarrow pickles them whole.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any

from .reducers import Reduced, reduce_by_default

_HIDDEN_BYTES = 1 << 12  # a slice may take so many along beside its own: to copy costs more
_MESSAGE_BYTES = 1 << 19  # from here on, to copy memory once more costs more than to pickle
_MOST = 256  # how many schemas are kept. When there are more, all are forgotten

_latest: tuple[Any, bytes | None] = None, None
"""The worker's: a schema, and what is sent of it; None: such tables are pickled."""

_schemas: dict[bytes, Any] = {}  # the parent's: schemas by what was sent of them


def reduce_array(array: Any) -> Reduced:
    """Reduce an array, as it is or, where its buffers hold much else, a copy of what it shows."""
    try:
        more = array.get_total_buffer_size() - _HIDDEN_BYTES
        hides = more > 0 and more > 2 * array.nbytes  # which takes pyarrow longer to tell
        # A single array would come back as it is.
        join = sys.modules["pyarrow.lib"].concat_arrays
        shown = join([array, array.slice(0, 0)]) if hides else array
    except Exception:  # pyarrow lacks it for this type
        shown = array
    return reduce_by_default(shown)


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
        known = pa.ipc.read_schema(pa.py_buffer(schema))
        if len(_schemas) >= _MOST:
            _schemas.clear()
        _schemas[schema] = known
    return pa.ipc.read_record_batch(pa.py_buffer(message), known)


def _written(schema: Any) -> bytes | None:
    """Return what is sent of a schema; None: its tables are pickled."""
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
    """Return a batch as a message; None where it is pickled."""
    try:
        small = sys.modules["pyarrow.lib"].get_record_batch_size(batch) < _MESSAGE_BYTES
        return pickle.PickleBuffer(batch.serialize()) if small else None
    except Exception:  # such as memory of a GPU
        return None
