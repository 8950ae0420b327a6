"""Arrow arrays without what a slice does not show. Imported where pyarrow is there already.

A slice refers to the buffers of the array that it was taken from, and pyarrow pickles them whole.
Tables, record batches and chunked arrays pickle as arrays, so this is for them too.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HIDDEN_BYTES = 1 << 12
"""How many bytes a slice may take along beside its own: to copy the slice would cost more."""


def reduce_array(array: Any) -> str | tuple[Any, ...]:
    """Reduce an array, as it is or, where its buffers hold much else, a copy of what it shows."""
    try:
        hides = array.get_total_buffer_size() > _HIDDEN_BYTES + 2 * array.nbytes
        # A single array would come back as it is.
        join = sys.modules["pyarrow.lib"].concat_arrays
        shown = join([array, array.slice(0, 0)]) if hides else array
    except Exception:  # pyarrow lacks it for this type
        shown = array
    reduced: str | tuple[Any, ...] = shown.__reduce__()
    return reduced
