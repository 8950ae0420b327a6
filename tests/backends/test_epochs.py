"""A pass may be of any epoch, where the program says so."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    IterableClosedError,
    PassOpenError,
    ReplayDivergedError,
    WorkerRestartedWarning,
    map_in_workers,
)
from farside._parent.passes.sequence import Given
from farside._parent.passes.sharded import OneIterable
from farside._protocol.parent import ParentCore
from farside._protocol.recovery import NO_LIMITS
from tests import jobs as plain_jobs
from tests import mapping_jobs
from tests import shard_jobs as jobs
from tests.kinds import FORKSERVER, INLINE, SUBINTERPRETERS, Kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[INLINE, FORKSERVER, *SUBINTERPRETERS], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of worker of each backend."""
    chosen: Kind = request.param
    return chosen


def shuffled(kind: Kind = INLINE, workers: int = 2, **options: Any) -> Any:
    return kind.start_several(jobs.tell, 5, workers, shuffle_shards=True, seed=5, **options)


@pytest.mark.parametrize("in_order", [True, False])
def test_the_next_pass_is_of_that_epoch(kind: Kind, *, in_order: bool) -> None:
    with shuffled(kind) as items:
        passes = [list(items) for _ in range(4)]
    with shuffled(kind, 1, in_order=in_order) as items:
        for epoch in (2, 3, 0, 3):
            items.set_epoch(epoch)
            assert items.epoch == items.state_dict()["epoch"] == epoch
            assert sorted(items) == sorted(passes[epoch])
            assert items.epoch == epoch + 1
    with shuffled(kind, 1) as items:
        items.set_epoch(3)
        first = list(islice(items, 4))
        state = items.state_dict()
    with shuffled(kind) as items:
        items.load_state_dict(state)
        items.set_epoch(3)  # as it is
        assert first + list(items) == passes[3]


def test_one_iterable_and_a_map_are_told(kind: Kind) -> None:
    with kind.start(plain_jobs.Seeds, seed=4) as told:
        told.set_epoch(6)
        assert [*told, *told] == [(6, 4)] * 2 + [(7, 4)] * 2
    with kind.start(plain_jobs.tell_epochs) as told:  # a one-shot iterator
        told.set_epoch(6)
        assert list(told) == [6, 6]
    with map_in_workers(mapping_jobs.tell, [1, 2], 0, seed=4) as told:
        passes = [list(told) for _ in range(3)]
        told.set_epoch(1)
        assert list(told) == passes[1]


def test_a_worker_has_its_own_seed_again_after_that_of_a_state(kind: Kind) -> None:
    with kind.start(plain_jobs.Seeds) as told:
        own = told.state_dict()
        for number, seed in enumerate((own["seed"], 5, own["seed"])):
            told.load_state_dict({**own, "seed": seed, "epoch": number})
            assert list(told) == [(number, seed)] * 2


def test_a_one_shot_iterator_goes_on_in_another_worker_in_its_first_pass(tmp_path: Path) -> None:
    plan = jobs.Plan(str(tmp_path / "lives"), "exit", (0, 2))
    read = partial(jobs.mortal_pairs, plan, (0, 4))
    with FORKSERVER.start(read, max_restarts=1) as items:
        items.set_epoch(6)
        with pytest.warns(WorkerRestartedWarning):
            assert [each for _, each in items] == [0, 1, 2, 3]


@pytest.mark.parametrize("taken", [0, 1])
def test_a_one_shot_iterator_resumes_in_its_first_pass_of_any_epoch(taken: int) -> None:
    with INLINE.start(plain_jobs.tell_epochs) as told:
        told.set_epoch(6)
        iterator = iter(told) if taken else iter(())
        assert list(islice(iterator, taken)) == [6] * taken
        state = json.loads(json.dumps(told.state_dict()))
        del iterator
    for again in (True, False):
        with INLINE.start(plain_jobs.tell_epochs) as told:
            told.load_state_dict(state)
            if again:
                assert told.state_dict() == state
                assert list(told) == [6] * (2 - taken)
                state = told.state_dict()  # of the beginning of a pass that has nothing to give
            else:
                with pytest.raises(ReplayDivergedError, match="one-shot iterator"):
                    list(told)


def test_what_one_iterable_is_told_leaves_the_index_of_the_last_item_known() -> None:
    sequence, core = OneIterable(Given(1), counting=False), ParentCore(NO_LIMITS)
    sequence.set_epoch(6, 0)
    _, told = sequence.begin(0)
    assert told is not None
    core.start(1, told[0])
    core.inbox.received = 3
    assert core.last_index == 2


def test_a_place_in_another_epoch_is_not_lost() -> None:
    with shuffled() as items:
        list(items)
        beginning = items.state_dict()
        first = list(islice(items, 4))
        state = items.state_dict()
    with shuffled() as items:
        items.load_state_dict(state)
        with pytest.raises(ValueError, match=r"epoch=2, but the state .* the middle of epoch 1; "):
            items.set_epoch(2)
        rest = list(items)
        items.load_state_dict(beginning)
        items.set_epoch(0)
        items.set_epoch(1)
        assert list(items) == first + rest


def test_when_it_cannot_be_said() -> None:
    with shuffled() as items:
        iterator = iter(items)
        first = next(iterator)
        items.set_epoch(1)  # it is already
        with pytest.raises(PassOpenError, match="set_epoch"):
            items.set_epoch(0)
        for wrong, kind in ((-1, ValueError), (1.5, TypeError)):
            with pytest.raises(kind, match="epoch="):
                items.set_epoch(wrong)
        rest = list(iterator)
        items.set_epoch(0)
        assert list(items) == [first, *rest]
    with pytest.raises(IterableClosedError):
        items.set_epoch(5)
