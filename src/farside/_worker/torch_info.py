"""Tells PyTorch's ``get_worker_info()``, which many iterable data sets ask, of the shard."""

from __future__ import annotations

from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._payload.worker_info import Task


class _Info:
    """What ``torch.utils.data.get_worker_info()`` returns: a shard is to it what a worker is."""

    dataset = None

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
    """Let torch tell of the shard that user code reads just now, if torch is imported."""
    exchange(_Info(where))


def exchange(info: Any) -> Any:
    """Let torch tell something else; return what it told before, None if it is not imported."""
    worker: Any = modules.get("torch.utils.data._utils.worker")
    before = getattr(worker, "_worker_info", None)
    if worker is not None:
        setattr(worker, "_worker_info", info)  # noqa: B010  torch has no other way
    return before
