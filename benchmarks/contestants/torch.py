"""PyTorch's DataLoader without batching: items come as they are made.

The dataset is an iterable one, or a map-style one where a function is mapped over inputs: its
sampler brings them.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from .base import Contestant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

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

    def open_for(self, case: Case, source: Source) -> AbstractContextManager[Iterable[Any]]:
        """Make a loader of one kind or the other."""
        if "map" not in case.demands:
            return super().open_for(case, source)
        from benchmarks.contestants.torch_dataset import make_mapping_loader

        return nullcontext(make_mapping_loader(source, case.workers))

    @contextmanager
    def open(
        self, source: Source, workers: int = 1, buffer_size: int | None = None
    ) -> Iterator[Iterable[Any]]:
        """Make a loader, which starts its workers at the first pass."""
        from benchmarks.contestants.torch_dataset import make_loader

        loader = make_loader(source, workers, buffer_size)  # kept here: it ends when dropped
        yield loader


CONTESTANTS: tuple[Contestant, ...] = (DataLoader(),)
