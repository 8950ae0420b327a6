"""The dataset for the DataLoader: a module of its own, since it cannot do without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.sources.base import Source


class SourceDataset(IterableDataset[Any]):  # type: ignore[misc]  # of type Any where torch is missing
    """A source as a dataset; several workers share it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        """Iterate on this worker's share."""
        worker = get_worker_info()
        return iter(self._source.shard(worker.id, worker.num_workers)())


def make_loader(source: Source, workers: int, buffer_size: int | None) -> Iterable[Any]:
    """Return a loader with its defaults, but without batching, and with workers that stay."""
    loader: Iterable[Any] = DataLoader(
        SourceDataset(source),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=buffer_size,
        persistent_workers=True,
    )
    return loader
