"""A loop that tells a sampler its epoch, as it does with a ``DataLoader``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from farside.errors import FarsideWarning
from farside.torch import data_loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 12


class Sampler:
    """Its order depends on its epoch, as that of PyTorch's ``DistributedSampler`` does."""

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return COUNT

    def __iter__(self) -> Iterator[int]:
        begin = hash(self.epoch) % COUNT
        return iter([*range(begin, COUNT), *range(begin)])


class Batches:
    """A batch sampler around another sampler, as PyTorch's ``BatchSampler`` is."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def __len__(self) -> int:
        return COUNT

    def __iter__(self) -> Iterator[list[int]]:
        return ([each] for each in self.sampler)


def order(epoch: int) -> list[int]:
    sampler = Sampler()
    sampler.set_epoch(epoch)
    return list(sampler)


def loader(sampler: Any, num_workers: int = 0) -> Any:
    given = {"batch_sampler" if isinstance(sampler, Batches) else "sampler": sampler}
    return data_loader(range(COUNT), collate_fn=sum, num_workers=num_workers, seed=1, **given)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loop_that_counts_as_the_loader_does_is_not_warned(num_workers: int) -> None:
    sampler = Sampler()
    with loader(sampler, num_workers) as batches:
        for epoch in range(3):
            sampler.set_epoch(epoch)
            assert list(batches) == order(epoch)
        batches.set_epoch(7)
        sampler.set_epoch(7)
        assert list(batches) == order(7)


def in_async_for(batches: Any) -> list[int]:
    async def collect() -> list[int]:
        return [each async for each in batches]

    return asyncio.run(collect())


@pytest.mark.parametrize("loop", [list, in_async_for, lambda batches: list(batches.in_thread())])
@pytest.mark.parametrize("make", [lambda sampler: sampler, Batches])
def test_a_loop_that_begins_later_is_warned_once(
    loop: Callable[[Any], list[int]], make: Callable[[Any], Any]
) -> None:
    sampler = Sampler()
    with loader(make(sampler)) as batches:
        sampler.set_epoch(3)
        with pytest.warns(FarsideWarning, match=r"told epoch 3, .* loader\.set_epoch\(3\)") as told:
            assert loop(batches) == order(0)
        assert told[0].filename == __file__
        sampler.set_epoch(5)
        assert loop(batches) == order(1)


def test_a_loader_that_is_made_anew_in_each_epoch_is_warned() -> None:
    sampler = Sampler()
    for epoch in range(2):
        sampler.set_epoch(epoch)
        with loader(sampler) as batches:
            if epoch:
                with pytest.warns(FarsideWarning, match="told epoch 1, but this is epoch 0"):
                    assert list(batches) == order(0)
            else:
                assert list(batches) == order(0)


def test_a_pass_may_begin_before_the_loop_tells_its_epoch() -> None:
    sampler = Sampler()
    with loader(sampler) as batches:
        begun = iter(batches)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            assert list(begun) == order(epoch)
            begun = iter(batches)


def test_a_sampler_around_another_is_looked_into() -> None:
    class Around(Batches):
        def __iter__(self) -> Any:
            return iter(self.sampler)

    inner = Sampler()
    given = Around(inner)
    with data_loader(range(COUNT), collate_fn=sum, sampler=given, seed=1) as batches:
        inner.set_epoch(4)
        with pytest.warns(FarsideWarning, match="the sampler of the sampler was told epoch 4"):
            list(batches)


def test_a_state_brings_its_epoch() -> None:
    sampler = Sampler()
    with loader(sampler) as batches:
        batches.set_epoch(4)
        state = batches.state_dict()
    with loader(sampler) as batches:
        batches.load_state_dict(state)
        sampler.set_epoch(4)
        assert list(batches) == order(4)


def test_a_sampler_without_such_a_number_is_left_alone() -> None:
    sampler: Any = Sampler()
    with loader(sampler) as batches:
        sampler.epoch = "third"
        assert list(batches) == order(0)
