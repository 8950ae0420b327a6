"""The datasets for the DataLoader, in a module of their own, which needs torch to be imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from benchmarks.sources.base import function_of

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


class FunctionDataset(Dataset[Any]):  # type: ignore[misc]  # of type Any where torch is missing
    """The function of a source as a dataset, whose indices are the inputs."""

    def __init__(self, source: Source) -> None:
        self._function = function_of(source)

    def __getitem__(self, given: Any) -> Any:
        """Call the function."""
        return self._function(given)


class Inputs(Sampler[Any]):  # type: ignore[misc]  # of type Any where torch is missing
    """The inputs of a source as a sampler, which stays in the parent."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        """Iterate on them."""
        return iter(self._source.inputs())


def make_mapping_loader(source: Source, workers: int) -> Iterable[Any]:
    """Return a loader that maps the function of a source, again without batching."""
    loader: Iterable[Any] = DataLoader(
        FunctionDataset(source),
        batch_size=None,
        sampler=Inputs(source),
        num_workers=workers,
        persistent_workers=True,
    )
    return loader
