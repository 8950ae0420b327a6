"""Reduces PyTorch tensors to out-of-band buffers. Imported only if torch already is.

Torch itself pickles the whole storage of a tensor into the stream, byte by byte, even if the tensor
is a small part of it. Here the contents of a plain CPU tensor become a buffer, and the tensor is
rebuilt on that buffer. Any special tensor (on another device, with a gradient, of a subclass …) is
left to torch, and only its storage becomes a buffer.

The buffer is a ctypes array at the tensor's address, since torch may be installed without NumPy.
"""

from __future__ import annotations

import sys
from pickle import PickleBuffer
from typing import Any, TypeAlias

from .memory_at import buffer_at
from .reducers import Reduced, reduce_by_default

Tensor: TypeAlias = Any  # torch is no dependency

_DTYPES = frozenset({
    "torch.bool", "torch.uint8", "torch.uint16", "torch.uint32", "torch.uint64",
    "torch.int8", "torch.int16", "torch.int32", "torch.int64",
    "torch.float16", "torch.bfloat16", "torch.float32", "torch.float64",
    "torch.complex32", "torch.complex64", "torch.complex128",
    "torch.float8_e4m3fn", "torch.float8_e4m3fnuz", "torch.float8_e5m2", "torch.float8_e5m2fnuz",
})  # fmt: skip
"""Types whose values are whole bytes, and nothing beside them. Other types, which newer releases of
torch may add, are left to torch."""


def reduce_tensor(tensor: Tensor) -> Reduced:
    """Reduce a tensor, to a buffer if it is plain. Tensors that share memory become independent."""
    try:
        plain = _is_plain(tensor)
    except AttributeError:  # a newer release has renamed something: torch itself knows how
        return reduce_by_default(tensor)
    if not plain:
        return _reduce_special(tensor)
    shape = tuple(tensor.shape)
    strides: tuple[int, ...] | None = None
    if not tensor.is_contiguous():
        # A tensor that is dense in another order of axes, such as channels-last, keeps that order.
        steps = tensor.stride()
        dense = tensor.permute(sorted(range(len(shape)), key=steps.__getitem__, reverse=True))
        if dense.is_contiguous():
            tensor, strides = dense, steps
        elif (copy := _copy_in_order(tensor)) is not None:
            return rebuild, (PickleBuffer(copy), tensor.dtype, shape, None)
        else:
            tensor = tensor.contiguous()
    nbytes = tensor.numel() * tensor.element_size()
    # The buffer keeps the storage, not the tensor, which may get another one (`tensor.data = …`)
    # while the rest of the item is pickled.
    storage = tensor.untyped_storage()
    address = storage.data_ptr() + tensor.storage_offset() * tensor.element_size()
    return rebuild, (buffer_at(address, nbytes, storage), tensor.dtype, shape, strides)


def _copy_in_order(tensor: Tensor) -> Any:
    """Copy a scattered tensor by NumPy; return an array, or None if NumPy is not imported.

    Torch would copy even a small one with a thread for each core. These threads spin while they
    wait for each other, which costs many times what it saves if the cores have other work. And
    NumPy can copy into the arena, so that the contents are not copied again on their way.
    """
    torch = sys.modules["torch"]
    if "numpy" not in sys.modules:
        return None
    from .arrays import in_order

    known = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    numbers = known.get(tensor.element_size(), tensor.dtype)  # NumPy has no bfloat16, for example
    try:
        return in_order(tensor.view(numbers).numpy())
    except RuntimeError:  # this torch cannot use this NumPy
        return None


def _reduce_special(tensor: Tensor) -> Reduced:
    """Reduce a tensor as torch does, except for the function that rebuilds a sparse one.

    Torch's own function keeps each sparse tensor in a list until ``torch.load`` has checked it,
    which never runs here, since the parts of the tensor cross as tensors.
    """
    reduced = reduce_by_default(tensor)
    if isinstance(reduced, str):
        return reduced
    if tensor.layout is sys.modules["torch"].strided:
        return (reduced[0], _with_types(reduced[1]), *reduced[2:])
    kept = getattr(sys.modules.get("torch._utils"), "_rebuild_sparse_tensor", rebuild_sparse)
    parts: list[Any] = [rebuild_sparse if part is kept else part for part in reduced]
    # For a tensor with attributes, the function is among the arguments.
    parts[1] = tuple(rebuild_sparse if part is kept else part for part in parts[1])
    return tuple(parts)


def _with_types(part: Any) -> Any:
    """Replace the untyped storages among the arguments of torch's own functions by typed ones.

    Torch reduces some tensors to an untyped storage, but rebuilds them from a typed one: a storage
    comes back from torch's own pickle as a typed one.
    """
    if type(part) is tuple:
        return tuple([_with_types(each) for each in part])
    torch = sys.modules["torch"]
    if type(part) is getattr(torch, "UntypedStorage", None):
        return torch.TypedStorage(wrap_storage=part, dtype=torch.uint8, _internal=True)
    return part


def reduce_storage(storage: Any) -> Reduced:
    """Reduce a storage to a buffer, if it is in this machine's memory.

    Torch itself copies the contents several times. And its pickle has the address of the storage,
    so pickles of equal storages differ.
    """
    try:
        untyped = getattr(storage, "_untyped_storage", storage)
        address, nbytes = untyped.data_ptr(), untyped.nbytes()
        if untyped.device.type != "cpu" or (nbytes and not address):
            return reduce_by_default(storage)
        dtype = getattr(storage, "dtype", None)  # an untyped one has none
    except (AttributeError, RuntimeError):  # a newer release; or the storage has no memory
        return reduce_by_default(storage)
    return rebuild_storage, (buffer_at(address, nbytes, untyped), dtype)


def rebuild_storage(buffer: Any, dtype: Any) -> Any:
    """Make a storage on a buffer: a typed one, if it was typed before."""
    import torch  # the user's

    untyped = rebuild(buffer, torch.uint8, (memoryview(buffer).nbytes,), None).untyped_storage()
    if dtype is None:
        return untyped
    return torch.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)


def rebuild_sparse(layout: Any, data: tuple[Any, ...]) -> Tensor:
    import torch  # the user's

    if layout is torch.sparse_coo:
        indices, values, size, coalesced = data
        return torch.sparse_coo_tensor(
            indices, values, size, check_invariants=False, is_coalesced=coalesced
        )
    return torch.sparse_compressed_tensor(*data, layout=layout, check_invariants=False)


def rebuild(
    buffer: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...] | None
) -> Tensor:
    import torch  # the user's

    if not memoryview(buffer).nbytes:  # `torch.frombuffer` refuses an empty buffer
        return torch.empty(shape, dtype=dtype, device="cpu")
    flat = torch.frombuffer(buffer, dtype=dtype)
    return flat.view(shape) if strides is None else flat.as_strided(shape, strides)


def _is_plain(tensor: Tensor) -> bool:
    torch = sys.modules["torch"]
    return (
        type(tensor) is torch.Tensor
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and str(tensor.dtype) in _DTYPES
        and not tensor.requires_grad
        and not tensor.is_conj()
        and not tensor.is_neg()
        and not tensor.is_nested
        and not getattr(tensor, "has_names", bool)()  # before 2.15; torch refuses to pickle these
        and not tensor._is_zerotensor()  # noqa: SLF001  it has no memory, and no other name
        and not tensor.__dict__
        and 0 not in tensor.stride()  # an expanded one is larger than its memory
    )
