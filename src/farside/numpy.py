"""NumPy arrays that lie in memory which a worker shares with its parent.

The module can be imported without NumPy; its functions import it.
"""

from __future__ import annotations

from ._memory.allocate import allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import DTypeLike, NDArray

__all__ = ["empty", "zeros"]


def empty(shape: int | Sequence[int], dtype: DTypeLike = float) -> NDArray[Any]:
    """Return a new array on memory of `farside.allocate`, which has the details.

    Args:
        shape: how long it is along each axis; an integer makes one axis.
        dtype: its type. Arrays that hold objects cannot be shared; they lie in ordinary memory.

    Returns:
        An array in C order, with arbitrary contents.

    Raises:
        Exception: whatever ``numpy.empty`` raises for the same arguments.

    Example:
        >>> import farside.numpy
        >>> image = farside.numpy.empty((3, 224, 224), "uint8")
        >>> image.shape, image.dtype.name
        ((3, 224, 224), 'uint8')
    """
    return _make(shape, dtype, cleared=False)


def zeros(shape: int | Sequence[int], dtype: DTypeLike = float) -> NDArray[Any]:
    """Return a new array of zeros; otherwise like `empty`.

    Example:
        >>> import farside.numpy
        >>> farside.numpy.zeros(3).tolist()
        [0.0, 0.0, 0.0]
    """
    return _make(shape, dtype, cleared=True)


def _make(shape: int | Sequence[int], dtype: DTypeLike, *, cleared: bool) -> NDArray[Any]:
    import numpy as np  # only programs that ask for arrays need it

    one = np.empty((), dtype)  # it has a shape of its own if the type is a subarray
    # Broadcasting checks the shape, and takes no memory.
    whole = np.broadcast_to(one, np.broadcast_to(0, shape).shape + one.shape)
    if one.dtype.hasobject or not whole.nbytes:
        return np.zeros(shape, dtype) if cleared else np.empty(shape, dtype)
    memory = allocate(whole.nbytes)
    if cleared:
        np.frombuffer(memory, np.uint8).fill(0)
    return np.ndarray(whole.shape, whole.dtype, memory)
