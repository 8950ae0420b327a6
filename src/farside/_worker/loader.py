"""The worker's part of `farside.torch.data_loader`: batches of a data set of PyTorch."""

from __future__ import annotations

import random
from contextlib import suppress
from importlib import import_module
from struct import unpack
from sys import modules

from .._payload.worker_info import WorkerInfo, get_worker_info
from .import_hook import when_imported
from .parts import Copies, Part, tell_pipe
from .samplers import Asked
from .seeding import imported, number_of, seed_all, seeded
from .torch_info import add_dataset, exchange, tell_torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

_SEEDED = ("cuda", "xpu")  # accelerators that PyTorch initializes when they are first used
_SHOWN = 100  # how many indices of a batch an error names
_DRAWN = 1 << 24  # how many random bytes are drawn at a time; before Python 3.14, below 1 << 28


class Batches:
    """Makes the batches of a data set. It lasts from pass to pass.

    The arguments are those of `farside.torch.data_loader`; without a `size`, samples are not
    batched. An object of this class also has the attributes of the data set, so that
    `RemoteIterable.call` finds them. The names of its own attributes begin with an underscore, so
    as not to hide those.
    """

    def __init__(
        self,
        indexed: bool,  # noqa: FBT001  it goes through a partial
        size: int | None,
        shuffle: bool,  # noqa: FBT001
        drop_last: bool,  # noqa: FBT001
        *,
        dataset: Any,
        collate_fn: Callable[[Any], Any] | None,
        sampler: Any = None,
        batch_sampler: Any = None,
    ) -> None:
        self._dataset, self._indexed = dataset, indexed
        self._size, self._shuffle, self._drop_last = size, shuffle, drop_last
        if collate_fn is None:
            data = import_module("torch.utils.data")  # PyTorch is needed only here
            collate_fn = data.default_convert if size is None else data.default_collate
        self._collate: Callable[[Any], Any] = collate_fn
        self._sampler, self._batch_sampler = sampler, batch_sampler
        self._order: Any = ()
        self._drawn: tuple[int, int] | None = None
        self._seeded, self._epoch = False, -1
        self._copies = Copies()
        if _info().backend != "inline":
            # As a DataLoader does: the threads of workers compete. It may be imported later.
            when_imported("torch", lambda: modules["torch"].set_num_threads(1))
            # Hugging Face keeps the epoch in memory that forked workers share, and adds to it.
            epoch: Any = getattr(dataset, "__dict__", {}).get("_epoch")
            if "torch" in modules and getattr(epoch, "is_shared", bool)():
                dataset._epoch = epoch.clone()  # noqa: SLF001

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def __call__(self, shard: int) -> Iterable[Any]:
        """Return the batch of that number; the batches of a part if the data set has no index."""
        return self._one(shard) if self._indexed else self._part()

    def _one(self, number: int) -> Iterator[Any]:
        info = _info()  # torch reports the worker and not the batch, as in a DataLoader
        task = info.index, info.count, info.shard_seed or 0
        if info.backend == "inline":
            exchange(None)
        else:
            tell_torch(lambda: task)
        self._prepare(info)
        yield self._batch(number)

    def _part(self) -> Part:
        info = _info()
        self._prepare(info)
        tell_pipe(self._dataset, info)
        return Part(
            self._dataset, self._size, self._drop_last, self._collate,
            seed=lambda made: self._seed(number_of(f"{_info().shard_seed} {made}")),
            copies=self._copies,
        )  # fmt: skip

    def _prepare(self, info: WorkerInfo) -> None:
        add_dataset(self._dataset)
        if info.epoch != self._epoch:
            set_epoch = getattr(self._dataset, "set_epoch", None)
            if callable(set_epoch):
                with seeded(f"{info.seed} {info.epoch}"):  # all workers draw the same numbers there
                    set_epoch(info.epoch)
            self._epoch = info.epoch
        self._seed(info.shard_seed or 0)  # last: what `set_epoch` draws changes no batch

    def _seed(self, seed: int) -> None:
        """Seed the generators that transforms draw from, as a DataLoader does."""
        if _info().backend == "inline":
            return  # the generators are the program's own
        seed_all(seed)
        torch = imported("torch")
        if torch is None:
            return
        # Those of accelerators: the first time, and later if any is in use. For those that are not
        # in use, PyTorch formats the stack: longer than many a batch takes.
        used = [getattr(getattr(torch, name, None), "is_initialized", bool)() for name in _SEEDED]
        if not self._seeded or any(used) or torch.backends.mps.is_available():
            torch.manual_seed(seed % 2**63)
        self._seeded = True

    def _batch(self, number: int) -> Any:
        """Make a batch, or an item, of a data set that has an index."""
        indices = self._indices(number)
        samples: list[Any] = []
        several = getattr(self._dataset, "__getitems__", None) if self._size is not None else None
        try:
            if several is not None:
                return self._collate(several(indices))
            for index in indices:
                samples.append(self._dataset[index])  # noqa: PERF401  their number says which fails
            return self._collate(samples if self._size is not None else samples[0])
        except Exception as error:
            failed = [] if several is not None else indices[len(samples) :][:1]
            if indices:
                _note(error, failed or indices)
            raise

    def _indices(self, number: int) -> list[Any]:
        info, size = _info(), self._size or 1
        if self._drawn != (info.seed, info.epoch):  # all workers draw the same order
            self._order = self._draw(info, size)
            self._drawn = info.seed, info.epoch
        if self._batch_sampler is not None:
            return self._order[number]  # type: ignore[no-any-return]
        indices = self._order[number * size : (number + 1) * size]
        return list(indices if self._sampler is not None else map(int, indices))

    def _draw(self, info: WorkerInfo, size: int) -> Any:
        batched = self._batch_sampler is not None
        sampler = self._batch_sampler if batched else self._sampler
        if sampler is None:
            count = len(self._dataset)
            return _shuffled(count, f"{info.seed} {info.epoch}") if self._shuffle else range(count)
        name, size = ("batch_sampler", 1) if batched else ("sampler", size)
        expected = info.shard_count or 0
        most = (expected + 1) * size
        asked = Asked(name, sampler, self._dataset, info.seed, most, batched=batched)
        order = asked.order(info.epoch)
        if self._drawn is None:
            asked.check(order, info.epoch)
        found = number_of_batches(len(order), size, drop_last=self._drop_last)
        if found != expected:
            raise ValueError(
                f"{name} gives {found} batches or more in epoch {info.epoch}, and its len() was "
                f"that of {expected}; make the two agree, or let map_in_workers iterate it in your "
                "process"
            )
        return order


def _note(error: Any, indices: list[Any]) -> None:
    """Add a note to an exception that says which samples it is about."""
    with suppress(Exception):  # user code; and before Python 3.11 there are no notes
        text = ", ".join(map(repr, indices[:_SHOWN])) + ", …" * (len(indices) > _SHOWN)
        error.add_note(f"at {'index' if len(indices) == 1 else 'indices'} {text} of the data set")


def number_of_batches(samples: int, size: int, *, drop_last: bool) -> int:
    return samples // size if drop_last else -(-samples // size)


def _shuffled(count: int, seed: str) -> Sequence[Any]:
    """Return the numbers below `count` in an order that the seed decides.

    Each number gets random bits in front of its own, and the results are sorted. With NumPy, this
    takes a tenth of the time of `random.shuffle`. Without NumPy, the order is the same: no two
    results are equal, so it does not matter how they are sorted.
    """
    draw, size = random.Random(seed).randbytes, 8 * count  # noqa: S311
    drawn = b"".join([draw(min(_DRAWN, size - at)) for at in range(0, size, _DRAWN)])
    bits = count.bit_length()
    numpy = modules.get("numpy")
    if numpy is None:
        keys = unpack(f"<{count}Q", drawn)
        ordered = sorted([key >> bits << bits | each for each, key in enumerate(keys)])
        return [key & ((1 << bits) - 1) for key in ordered]
    order = numpy.frombuffer(drawn, "<u8") >> bits << bits
    order |= numpy.arange(count, dtype="u8")
    order.sort()
    order &= (1 << bits) - 1
    return order  # type: ignore[no-any-return]


def _info() -> WorkerInfo:
    info = get_worker_info()
    assert info is not None  # this runs in workers only
    return info
