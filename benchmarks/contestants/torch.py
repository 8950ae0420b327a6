"""PyTorch's DataLoader without batching: items come as they are made.

The dataset is an iterable one. If a case maps a function over inputs, it is a map-style one, whose
sampler yields the inputs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .base import Contestant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.cases.base import Case
    from benchmarks.sources.base import Source


class DataLoader(Contestant):
    """`torch.utils.data.DataLoader`, with workers that stay for further passes.

    Arrays arrive as tensors. `buffer_size` is its `prefetch_factor`.
    """

    name = "torch-dataloader"
    library = "torch"
    offers = Contestant.offers | {"buffer_size", "map"}

    def load(self) -> None:
        """Import the part that is used."""
        import benchmarks.contestants.torch_dataset  # noqa: F401

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Make a loader of one kind or the other; it starts its workers at the first pass."""
        from benchmarks.contestants.torch_dataset import make_loader, make_mapping_loader

        if "map" in case.demands:
            loader = make_mapping_loader(source, case.workers)
        else:
            loader = make_loader(source, case.workers, case.buffer_size)
        yield loader  # it ends when it is dropped


CONTESTANTS: tuple[Contestant, ...] = (DataLoader(),)
