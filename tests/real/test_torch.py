"""PyTorch's loaders and torchdata's: around farside, inside its workers, and in its place."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torchdata", reason="torchdata is not installed")

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Subset,
    WeightedRandomSampler,
)
from torch.utils.data.datapipes.iter import IterableWrapper
from torchdata.stateful_dataloader import StatefulDataLoader

from farside import WorkerRestartedWarning, iterate_in_worker, iterate_in_workers
from farside.torch import data_loader

from . import torch_jobs as jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.timeout(240),  # workers import torch, which takes seconds
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),
]


def start(fn: Callable[[Any], Any], shards: Any, workers: int, **options: Any) -> Any:
    return iterate_in_workers(
        fn, shards, workers, backend="subprocess", seed=1, init_timeout=200, **options
    )


def told(items: Any) -> list[Any]:
    return [each.tolist() if isinstance(each, torch.Tensor) else each for each in items]


def test_torchdata_and_farside_give_the_same_sequence() -> None:
    loader = StatefulDataLoader(jobs.Numbers(), batch_size=None, num_workers=jobs.SHARDS)
    with start(jobs.read, jobs.SHARDS, 2) as items:
        assert told(items) == told(loader) == list(range(jobs.ITEMS))


@pytest.mark.parametrize("fn", [jobs.read, jobs.load])
def test_it_goes_on_by_the_state_of_the_data_set_or_of_the_loader(
    fn: Callable[[int], Any], tmp_path: Path
) -> None:
    with start(fn, jobs.SHARDS, 2, buffer_size=1) as items:
        whole = told(items)
        got = told(islice(items, 15))
        torch.save(items.state_dict(), tmp_path / "state")
    state = torch.load(tmp_path / "state")
    assert state == json.loads(json.dumps(state))
    assert state["snapshots"]
    with start(fn, jobs.SHARDS, 1) as items:
        items.load_state_dict(state)
        assert got + told(items) == whole
        assert items.stats().skipped_items < len(got)


def test_a_state_with_tensors_serves_a_worker_that_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fn = partial(jobs.load_shuffled, str(log))
    with pytest.warns(WorkerRestartedWarning), start(fn, 1, 1, max_restarts=1) as items:
        got = [number for batch in told(items) for number in batch]
    assert sorted(got) == [number**2 for number in range(jobs.ITEMS)]
    assert jobs.ITEMS < len(log.read_text().splitlines()) < 2 * jobs.ITEMS  # not all over again


class Over(IterableDataset):  # type: ignore[misc]  # of type Any where torch is missing
    """Farside as a data set."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def state_dict(self) -> Any:
        return self.items.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.items.load_state_dict(state)


def test_a_loader_over_farside() -> None:
    with start(range, [5, 5], 2) as items:
        loader = DataLoader(Over(items), batch_size=4)
        whole = [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4]]
        assert told(loader) == whole
        for batch in loader:
            assert batch.tolist() == whole[0]
            break
        del batch
        assert told(loader) == whole


def test_a_stateful_loader_over_farside_goes_on_with_other_workers() -> None:
    with start(range, [5, 5], 2) as items:
        loader = StatefulDataLoader(Over(items), batch_size=4)
        iterator = iter(loader)
        got = told([next(iterator)])
        state = loader.state_dict()
        del iterator, loader
    with start(range, [5, 5], 1) as items:
        loader = StatefulDataLoader(Over(items), batch_size=4)
        loader.load_state_dict(state)
        whole = [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4]]
        assert got + told(loader) == whole
        assert told(loader) == whole
        assert items.epoch == 2


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_data_loader_is_a_data_loader(workers: int, drop_last: bool) -> None:  # noqa: FBT001
    part = Subset(jobs.Pictures(), range(3, 21))
    theirs = DataLoader(part, batch_size=4, drop_last=drop_last)
    with data_loader(part, 4, drop_last=drop_last, num_workers=workers) as ours:
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert all(map(torch.equal, mine, other))
    with data_loader(part, None, num_workers=workers) as samples:
        assert [index for _, index in samples] == list(range(3, 21))


def test_data_loader_reads_the_parts_of_an_iterable_data_set() -> None:
    theirs = DataLoader(jobs.Numbers(), batch_size=6, num_workers=jobs.SHARDS)
    with data_loader(jobs.Numbers(), 6, num_workers=jobs.SHARDS) as ours:
        assert told(ours) == told(theirs)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_data_pipe_is_divided_among_workers_though_it_does_not_ask(workers: int) -> None:
    pipe = IterableWrapper(range(20)).shuffle().sharding_filter()
    with data_loader(pipe, None, num_workers=workers, seed=1) as loader:
        first, second = list(loader), list(loader)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second


def test_its_workers_have_one_thread_and_the_program_keeps_its_own() -> None:
    before = torch.get_num_threads()
    with data_loader(jobs.Threads(), 23, num_workers=1) as loader:
        assert told(loader) == [[1] * 23]
    with data_loader(jobs.Threads(), 23) as loader:
        assert told(loader) == [[before] * 23]
    assert torch.get_num_threads() == before


def test_a_program_that_trains_gets_no_subinterpreter() -> None:
    with iterate_in_worker(partial(range, 2)) as numbers:
        assert numbers.backend == "subprocess"
        weights = torch.ones(3, requires_grad=True)
        for number in numbers:
            (weights * number).sum().backward()  # fails where there has been a subinterpreter
        assert "PyTorch" in numbers.backend_reason or sys.version_info < (3, 14)


def test_an_item_keeps_what_it_was_though_a_tensor_gets_other_memory_meanwhile() -> None:
    with iterate_in_worker(jobs.swapped, backend="subprocess", init_timeout=200) as items:
        (tensor, _), *_ = items
        assert tensor.eq(1).all()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_set_with_an_index_is_told_its_worker(workers: int) -> None:
    def of(loader: Any) -> list[Any]:
        return [sample for batch in loader for sample in batch]

    theirs = of(DataLoader(jobs.Told(), 4, num_workers=workers, collate_fn=list))
    with data_loader(jobs.Told(), 4, num_workers=workers, collate_fn=list) as ours:
        assert of(ours) == theirs


@pytest.mark.parametrize("kind", ["weights", "generator", "batches", "rank"])
def test_samplers_of_pytorch_draw_the_same_for_any_number_of_workers(kind: str) -> None:
    data = jobs.Pictures()
    generator = torch.Generator()
    options: dict[str, Any] = {
        "weights": {"sampler": WeightedRandomSampler(range(23), 9)},
        "generator": {"sampler": RandomSampler(data, num_samples=9, generator=generator)},
        "batches": {"batch_sampler": BatchSampler(RandomSampler(data), 4, drop_last=True)},
        "rank": {"sampler": DistributedSampler(data, num_replicas=2, rank=1, drop_last=True)},
    }[kind]
    before = torch.get_rng_state()
    found = []
    for workers in (0, 1, 2):
        with data_loader(data, num_workers=workers, seed=3, **options) as loader:
            found.append([[labels.tolist() for _, labels in loader] for _ in range(2)])
    assert found[0] == found[1] == found[2]
    assert found[0][0] != found[0][1]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch does not survive a fork")
def test_forked_workers_do_not_tell_each_other_the_epoch() -> None:
    numbers = jobs.SharesEpoch()
    options: dict[str, Any] = {"mp_context": "fork", "collate_fn": list}
    with data_loader(numbers, num_workers=2, **options) as loader:
        for epoch in range(3):
            assert {sample for (sample,) in loader} == {epoch}
    assert numbers._epoch == 0  # the program's own


def test_only_the_generator_that_is_in_use_is_seeded_for_each_batch() -> None:
    drawn = []
    for workers in (1, 2):
        with data_loader(jobs.Seeded(), 1, num_workers=workers, collate_fn=list, seed=1) as loader:
            samples = [sample for batch in loader for sample in batch]
        drawn.append([sample[:2] for sample in samples])
        assert {calls for _, _, calls in samples} == {1}  # it takes a hundred times as long
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == len(drawn[0])


@pytest.mark.parametrize("collate", [None, jobs.collate])
def test_batches_take_no_memory_of_the_way_that_pytorch_has_to_the_parent(collate: Any) -> None:
    with data_loader(jobs.Collated(), 4, num_workers=1, collate_fn=collate) as loader:
        assert set(loader) == {False}


def test_nor_do_those_that_a_shard_is_made_of() -> None:
    with start(jobs.read_collated, 2, 1) as batches:
        assert list(batches) == [False, False]
