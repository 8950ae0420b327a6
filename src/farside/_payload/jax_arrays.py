"""JAX arrays, as the NumPy arrays that they are made of. Imported where JAX is there already.

JAX itself pickles them likewise, but copies the contents into the stream. As with its pickle, an
array comes back on the default device of the other side. On a CPU, large ones lie where they
arrived.
"""

from __future__ import annotations

import sys
from typing import Any

from .reducers import Reduced, reduce_by_default

_COPY_BYTES = 1 << 17  # smaller ones are copied: to let JAX use memory where it lies takes 40 µs


def reduce_array(array: Any) -> Reduced:
    if array.weak_type or not array.is_fully_addressable:  # made of a Python number; on others
        return reduce_by_default(array)
    return rebuild_array, (sys.modules["numpy"].asarray(array),)


def rebuild_array(contents: Any) -> Any:
    import jax  # the user's

    if contents.nbytes < _COPY_BYTES:
        return jax.numpy.asarray(contents)
    return jax.device_put(contents)
