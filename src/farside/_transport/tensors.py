"""PyTorch tensors as out-of-band buffers. Imported where torch is there already.

Torch itself pickles the whole storage of a tensor into the stream, byte by byte, even where the
tensor is a small part of it. Here the contents of a plain CPU tensor become a buffer, and the
tensor is made of that buffer again. Whatever is special about a tensor (another device, a gradient,
a subclass …) is left to torch.

The buffer is a ctypes array at the tensor's address. NumPy would do for most tensors, but is not
there with every torch, and knows no bfloat16.
"""

from __future__ import annotations

import ctypes
import pickle
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    Tensor: TypeAlias = Any  # torch is no dependency
    Reduced: TypeAlias = str | tuple[Any, ...]

_DTYPES = frozenset({
    "torch.bool", "torch.uint8", "torch.uint16", "torch.uint32", "torch.uint64",
    "torch.int8", "torch.int16", "torch.int32", "torch.int64",
    "torch.float16", "torch.bfloat16", "torch.float32", "torch.float64",
    "torch.complex32", "torch.complex64", "torch.complex128",
    "torch.float8_e4m3fn", "torch.float8_e4m3fnuz", "torch.float8_e5m2", "torch.float8_e5m2fnuz",
})  # fmt: skip
"""Types of which a value is whole bytes, and nothing beside them. Others may come with newer
releases of torch, and are left to it."""


class _Memory(ctypes.c_ubyte * (sys.maxsize >> 1)):  # type: ignore[misc]
    """Memory from an address on, which stays there as long as `owner`.

    ctypes keeps array types for ever, so there is not one for each size.
    """

    __slots__ = ("owner",)


def reduce_tensor(tensor: Tensor) -> Reduced:
    """Reduce a tensor: to a buffer, if it is a plain one.

    Tensors that share memory become independent of each other.
    """
    if not _is_plain(tensor):
        reduced: Reduced = tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return reduced
    shape = tuple(tensor.shape)
    strides: tuple[int, ...] | None = None
    if not tensor.is_contiguous():
        # What is dense in another order of its axes, such as channels-last, stays so.
        steps = tensor.stride()
        dense = tensor.permute(sorted(range(len(shape)), key=steps.__getitem__, reverse=True))
        if dense.is_contiguous():
            tensor, strides = dense, steps
        else:
            tensor = tensor.contiguous()
    return rebuild, (_buffer(tensor), tensor.dtype, shape, strides)


def rebuild(
    buffer: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...] | None
) -> Tensor:
    """Make a tensor on a buffer."""
    import torch  # the user's

    if not memoryview(buffer).nbytes:  # of these torch makes none
        return torch.empty(shape, dtype=dtype, device="cpu")
    flat = torch.frombuffer(buffer, dtype=dtype)
    return flat.view(shape) if strides is None else flat.as_strided(shape, strides)


def _is_plain(tensor: Tensor) -> bool:
    torch = sys.modules["torch"]
    return (
        tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and str(tensor.dtype) in _DTYPES
        and not tensor.requires_grad
        and not tensor.is_conj()
        and not tensor.is_neg()
        and not tensor.is_nested
        and not tensor._is_zerotensor()  # noqa: SLF001  it has no memory, and no other name
        and not tensor.__dict__
        and 0 not in tensor.stride()  # an expanded one is larger than its memory
    )


def _buffer(tensor: Tensor) -> pickle.PickleBuffer:
    nbytes = tensor.numel() * tensor.element_size()
    if not nbytes:
        return pickle.PickleBuffer(bytearray())
    memory = _Memory.from_address(tensor.data_ptr())
    memory.owner = tensor
    return pickle.PickleBuffer(memoryview(memory).cast("B")[:nbytes])
