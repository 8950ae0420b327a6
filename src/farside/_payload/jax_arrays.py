"""Reduces JAX arrays to NumPy arrays. Imported only if JAX already is.

JAX's own pickle does the same, but copies the contents into the stream. As with that pickle, an
array comes back on the default device of the other side. On a CPU, a large array stays in the
memory in which it arrived.
"""

from __future__ import annotations

import sys
from typing import Any

from .reducers import Reduced, reduce_by_default

_COPY_BYTES = 1 << 17  # smaller ones are copied: it takes JAX 40 µs to use memory where it lies


def reduce_array(array: Any) -> Reduced:
    if array.weak_type or not array.is_fully_addressable:  # of a Python number; on other machines
        return reduce_by_default(array)
    return rebuild_array, (sys.modules["numpy"].asarray(array),)


def rebuild_array(contents: Any) -> Any:
    import jax  # the user's

    if contents.nbytes < _COPY_BYTES:
        return jax.numpy.asarray(contents)
    return jax.device_put(contents)
