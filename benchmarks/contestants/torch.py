"""PyTorch's DataLoader over an iterable dataset, without batching: items come as they are made."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .base import Contestant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.sources.base import Source


class DataLoader(Contestant):
    """`torch.utils.data.DataLoader`, with workers that stay for further passes.

    Arrays arrive as tensors. `buffer_size` is its `prefetch_factor`.
    """

    name = "torch-dataloader"
    library = "torch"
    offers = Contestant.offers | {"buffer_size"}

    def load(self) -> None:
        """Import the part that is used."""
        import benchmarks.contestants.torch_dataset  # noqa: F401

    @contextmanager
    def open(
        self, source: Source, workers: int = 1, buffer_size: int | None = None
    ) -> Iterator[Iterable[Any]]:
        """Make a loader, which starts its workers at the first pass."""
        from benchmarks.contestants.torch_dataset import make_loader

        loader = make_loader(source, workers, buffer_size)  # kept here: it ends when dropped
        yield loader


CONTESTANTS: tuple[Contestant, ...] = (DataLoader(),)
