"""What PyTorch's ``DataLoader`` does, in workers of farside.

The module can be imported without PyTorch; only the default ``collate_fn`` needs it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ._parent.checks import count, flag
from ._parent.defaults import DEFAULTS
from ._parent.iterable import RemoteIterable
from ._parent.loader_checks import (
    check_batches,
    check_kind,
    check_order,
    check_ranks,
    has_index,
)
from ._parent.options import buffer_size_of
from ._parent.several import iterate_shards
from ._parent.signatures import complete, takes
from ._parent.told_epochs import ToldEpochs
from ._protocol.credit import UNLIMITED
from ._worker.iterables import length_of
from ._worker.loader import Batches, number_of_batches
from .options import LoaderOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Unpack

__all__ = ["RemoteLoader", "data_loader"]


class RemoteLoader(RemoteIterable[Any]):
    """What `data_loader` returns: an iterable of batches, with two attributes of a ``DataLoader``.

    Attributes:
        dataset: the data set that was given. The workers have copies of it.
        batch_size: what was given; None with a ``batch_sampler``.
    """

    dataset: Any
    batch_size: int | None


@takes(LoaderOptions)
def data_loader(
    dataset: Any,
    batch_size: int | None = 1,
    shuffle: bool | None = False,  # noqa: FBT001, FBT002  as DataLoader has it
    sampler: Iterable[Any] | None = None,
    batch_sampler: Iterable[Sequence[Any]] | None = None,
    *,
    num_workers: int = 0,
    collate_fn: Callable[[Any], Any] | None = None,
    drop_last: bool = False,
    in_order: bool = True,
    rank: int = 0,
    world_size: int = 1,
    length: int | None = None,
    backend: Literal["subprocess", "inline", "ray"] | str = "subprocess",  # noqa: PYI051
    **options: Unpack[LoaderOptions],
) -> RemoteLoader:
    """Load a data set as ``torch.utils.data.DataLoader`` does.

    The arguments that it shares with a ``DataLoader`` mean the same. The batches are those of
    `iterate_in_workers`: the same for any number of workers, in an order that ``seed`` and the
    epoch decide, with `RemoteIterable.state_dict` and ``max_restarts``. Before each batch of a data
    set with an index, a worker seeds the generators of ``random``, NumPy and PyTorch. So the
    augmentations do not depend on workers. Each computes with one thread of PyTorch. If the data
    set has a ``set_epoch``, each worker calls it at the start of an epoch, with the same seed.

    If the data set has no index (an ``IterableDataset``), each worker reads one part: PyTorch's
    ``get_worker_info()`` tells which. So the batches depend on ``num_workers``, and a state needs
    the same number. If the data set or its iterator has a ``state_dict``, a resume loads that, and
    a seed is set for each batch. Else one is set for the part, and a resume makes the earlier
    samples again.

    Args:
        dataset: the data set. It is pickled, and each worker has a copy.
        batch_size: how many samples a batch has. None gives samples as they are. Default: 1.
        shuffle: whether each epoch has another order. A data set without an index cannot have it.
            None is False. Default: False.
        sampler: gives the indices of an epoch in their order, instead of ``shuffle``, and has a
            ``len()``; ``dataset`` needs none then. Each worker asks a copy of it at the start of an
            epoch, with its ``generator`` and those of ``random``, NumPy and PyTorch seeded by
            ``seed`` and the epoch, and after its ``set_epoch``, if it has one. So what it gives
            must not depend on anything else. Default: None.
        batch_sampler: the same, but it gives a list of indices for each batch, instead of
            ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``. Default: None.
        num_workers: how many workers there are. 0 loads in the thread of the loop. It then seeds
            nothing, since the generators are those of your model too. Default: 0.
        collate_fn: makes a batch of a list of samples. Default: None, PyTorch's
            ``default_collate``.
        drop_last: whether the last batch is left out if it is shorter. Default: False.
        in_order: whether the batches come in their order. False gives them as they come. Each
            worker is two batches ahead at most then, or 16 where a batch takes it less than a
            millisecond. Default: True.
        rank: which process of a job this is, from 0. It gets each ``world_size``-th batch, and all
            ranks as many: up to ``world_size`` - 1 batches are left out. (In an epoch that goes on
            with another ``world_size``, their numbers may differ.) Pass the same ``seed`` to all.
            Default: 0.
        world_size: how many processes the job has. Default: 1.
        length: for a data set without an index: how many batches an epoch has here, if you know
            that. ``len()`` returns it; nothing checks it. Default: None.
        backend: ``"subprocess"``, ``"inline"``, ``"ray"``, or one of your own. Default:
            ``"subprocess"``, since PyTorch loads in no subinterpreter.
        options: see `iterate_in_workers`. ``buffer_size`` is what ``prefetch_factor`` is to a
            ``DataLoader``, and ``initializer``, without an argument, what ``worker_init_fn`` is.

    Returns:
        An iterable that can be iterated again and again. If the data set has an index, ``len()`` is
        the number of batches; else it is ``length``. Its workers stay until it is closed.

    Raises:
        ValueError: ``shuffle``, a sampler or ``world_size`` with a data set without an index,
            ``length`` with one that has an index, an order that ranks draw without ``seed``, two
            arguments that exclude each other, or a wrong number.
        TypeError: an argument is wrong, or ``dataset`` is no data set.
        Exception: see `iterate_in_workers`.

    Example:
        >>> from farside.torch import data_loader
        >>> squares = [number * number for number in range(5)]
        >>> with data_loader(squares, batch_size=2, num_workers=2, collate_fn=list) as loader:
        ...     len(loader), list(loader)
        (3, [[0, 1], [4, 9], [16]])
    """
    given = complete(data_loader, options)
    rest: dict[str, Any] = {"fallback": DEFAULTS["fallback"], **given, "backend": backend}
    size, drops_last = check_batches(batch_size, collate_fn, drop_last)
    shuffled = flag("shuffle", False if shuffle is None else shuffle)
    workers = count("num_workers", num_workers, "workers", 0)
    ranks = count("world_size", world_size, "ranks")
    samplers = {"sampler": sampler, "batch_sampler": batch_sampler}
    made: dict[str, Any] = {"dataset": dataset, "collate_fn": collate_fn, **samplers}
    order = check_order({"shuffle": shuffled, **samplers}, plain=size == 1 and not drops_last)
    if ranks > 1:
        check_ranks(ranks, order, rest["seed"], (sampler, batch_sampler))
    chosen: Any = batch_sampler if sampler is None else sampler
    indexed = has_index(dataset, chosen=chosen is not None)
    check_kind(indexed, length, order or f"world_size={ranks}" * (ranks > 1))
    shards = max(1, workers)
    identity: tuple[Any, ...] = (size, drops_last)
    if indexed:
        samples = len(dataset if chosen is None else chosen)
        each = 1 if size is None or batch_sampler is not None else size
        shards = number_of_batches(samples, each, drop_last=drops_last)
        length = shards // ranks
        identity = length_of(dataset), size, shuffled, drops_last
        identity += () if chosen is None else ((order, samples),)
        rest["buffer_size"] = _with_ends(rest["buffer_size"])
    decisive = (order.partition("=")[0] or "shuffle") if indexed else "num_workers"
    loader = iterate_shards(
        Batches.__call__,
        shards,
        workers,
        setup=partial(Batches, indexed, size, shuffled, drops_last, **made),
        cycle_length=None if indexed else shards,
        shuffle_shards=False,
        in_order=in_order,
        rank=rank,
        world_size=ranks,
        length=length,
        options=rest,
        unit=("batch" if size else "sample") if indexed else None,
        identity=identity,
        same=f"data set, {decisive}, batch_size and drop_last",
        before_pass=ToldEpochs(samplers).check,
        kind=RemoteLoader,
    )
    loader.dataset, loader.batch_size = dataset, None if batch_sampler is not None else size
    return loader


def _with_ends(given: Any) -> int | None:
    """Return how many items may wait: each batch is a shard, whose end counts as an item too."""
    size = buffer_size_of(given, "batches")
    return size if size is None or size == UNLIMITED else 2 * size
