"""Checks the arguments of `farside.torch.data_loader`."""

from __future__ import annotations

from sys import modules
from typing import Any

from .checks import check_callable, count, flag, shown


def check_batches(batch_size: Any, collate_fn: Any, drop_last: Any) -> tuple[int | None, bool]:
    """Check what a batch is made of; return its size, and whether a shorter one is left out."""
    size = None if batch_size is None else count("batch_size", batch_size, "samples")
    if collate_fn is not None:
        cure = "a function that takes a list of samples, or None for PyTorch's"
        check_callable("collate_fn", collate_fn, cure)
    drops_last = flag("drop_last", drop_last)
    if drops_last and size is None:
        raise ValueError(
            "drop_last=True and batch_size=None exclude each other: there are no batches; pass a "
            "batch_size, or leave drop_last out"
        )
    return size, drops_last


def check_ranks(ranks: int, order: str, seed: Any, samplers: tuple[Any, Any]) -> None:
    """Check that all ranks read in one order, and that nothing divides it twice."""
    if order and seed is None:
        raise ValueError(
            f"{order} and world_size={ranks} without seed: each rank would draw another "
            "order; pass the same seed to each rank"
        )
    for sampler in (*samplers, getattr(samplers[1], "sampler", None)):
        if (replicas := getattr(sampler, "num_replicas", 1)) not in {1, None}:
            raise ValueError(
                f"the sampler has num_replicas={replicas}, so it gives this rank its part, and "
                f"world_size={ranks} would divide that once more; leave out one of the two"
            )


def check_order(order: dict[str, Any], *, plain: bool) -> str:
    """Check the arguments that decide the order of samples; return the one that was given, or "".

    With `plain`, neither ``batch_size`` nor ``drop_last`` was given.
    """
    given = [name for name, value in order.items() if value is not None and value is not False]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} exclude each other; leave one out")
    if not given or given == ["shuffle"]:
        return "shuffle=True" if given else ""
    [name] = given
    if given == ["batch_sampler"] and not plain:
        raise ValueError("batch_sampler makes the batches; leave out batch_size and drop_last")
    if not (hasattr(order[name], "__iter__") and hasattr(order[name], "__len__")):
        raise TypeError(
            f"{name}={shown(order[name])} has not both __iter__ and __len__; pass a sampler "
            "that has, or a list; or let map_in_workers iterate it in this process, as its items"
        )
    return name


def check_kind(indexed: bool, length: Any, given: str) -> None:  # noqa: FBT001  it is a fact
    """Check that what was given suits a data set with an index, or one without."""
    if indexed and length is not None:
        raise ValueError(f"length={shown(length)}, but dataset has an index; leave length out")
    if not indexed and given:
        raise ValueError(f"{given}, but dataset has no index; let the data set do that itself")


def has_index(dataset: Any, *, chosen: bool) -> bool:
    """Return whether a data set has an index. It needs no length if a sampler was `chosen`."""
    torch = modules.get("torch.utils.data")  # its class without an index inherits `__getitem__`
    if torch is not None and isinstance(dataset, torch.IterableDataset):
        return False
    if hasattr(type(dataset), "__getitem__") and (chosen or hasattr(type(dataset), "__len__")):
        return True
    if not hasattr(type(dataset), "__iter__"):
        cure = "an object of this class" if isinstance(dataset, type) else "a data set"
        raise TypeError(
            f"dataset={shown(dataset)} has neither __getitem__ and __len__, nor __iter__; "
            f"pass {cure}"
        )
    return False
