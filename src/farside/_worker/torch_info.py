"""Lets PyTorch's ``get_worker_info()``, which many iterable data sets call, return the shard."""

from __future__ import annotations

from sys import modules

from .import_hook import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._payload.worker_info import Task


_MODULE = "torch.utils.data._utils.worker"
_COLLATE = "torch.utils.data._utils.collate"


class _Info:
    """What ``torch.utils.data.get_worker_info()`` returns: a shard, as if that were a worker."""

    dataset: Any = None

    def __init__(self, where: Callable[[], Task]) -> None:
        self._where = where

    @property
    def id(self) -> int:
        return self._where()[0]

    @property
    def num_workers(self) -> int | None:
        return self._where()[1]

    @property
    def seed(self) -> int:
        return self._where()[2] >> 1  # torch's are below 2**63


def tell_torch(where: Callable[[], Task]) -> None:
    """Let torch return the shard that user code reads just now, as soon as torch is imported."""
    exchange(_Info(where))


def add_dataset(dataset: Any) -> None:
    """Let torch return the data set too, which code for a DataLoader changes in each worker."""
    info = told()
    if type(info) is _Info:
        info.dataset = dataset


def told() -> Any:
    """Return what torch's function returns, or will return as soon as torch is imported."""
    worker = modules.get(_MODULE)
    return _later if worker is None else getattr(worker, "_worker_info", None)


def exchange(info: Any) -> None:
    """Let torch's function return `info`, as soon as torch is imported."""
    global _later  # noqa: PLW0603  as that of torch
    _later = info  # in any case: another thread may just be importing torch
    worker: Any = modules.get(_MODULE)
    if worker is None:
        if info is not None:
            when_imported(_MODULE, _exchange_late)
    else:
        setattr(worker, "_worker_info", info)  # noqa: B010  torch has no other way
        if type(info) is _Info:  # all that calls ``default_collate`` here collates as `_Here` does
            known: Any = getattr(modules.get(_COLLATE), "default_collate_fn_map", {})
            tensor = getattr(modules.get("torch"), "Tensor", None)
            if tensor in known and type(known[tensor]) is not _Here:
                known[tensor] = _Here(known[tensor])


_later: Any = None
"""What torch is to return: an iterator may import torch, and ask it, within its first item."""


def _exchange_late() -> None:
    exchange(_later)


class _Here:
    """Collates tensors as PyTorch does outside of its own workers.

    In a worker, PyTorch would take memory of /dev/shm, for its own way to the parent. farside
    copies the batch anyway, and in a container there may be little of that memory.
    """

    def __init__(self, collate: Callable[..., Any]) -> None:
        self._collate = collate

    def __call__(self, *args: Any, **options: Any) -> Any:
        before = told()
        if type(before) is not _Info:  # as in a DataLoader of the user's
            return self._collate(*args, **options)
        exchange(None)
        try:
            return self._collate(*args, **options)
        finally:
            exchange(before)
