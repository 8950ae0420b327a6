"""`check_replay` finds what cannot be resumed, and says why; it finds nothing where nothing is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import NotPicklableError, ReplayDivergedError
from farside.testing import check_replay
from farside.testing.replay import HINTS, _short, find_difference
from tests.testing import replayed as jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

pytestmark = [
    pytest.mark.timeout(300),  # each runs several spawned workers
    pytest.mark.usefixtures("unmeasured"),  # which are slow to start if coverage looks on
]


BAD: list[tuple[Callable[[], Iterable[object]], str]] = [
    (jobs.KeptGenerator, "pass before"),
    (jobs.KeptCount, "pass before"),
    (jobs.GlobalGenerator, "generator"),
    (jobs.GlobalShuffle, "generator"),
    (jobs.OrderOfASet, "hash"),
    (jobs.OrderOfADictionary, "hash"),
    (jobs.TypeOfANumber, "generator"),
    (jobs.HashOfAString, "hash"),
    (jobs.Clock, "time"),
    (jobs.ProcessNumber, "time"),
    (jobs.LengthThatChanges, "time"),
    (jobs.SecretGenerator, "time"),
]

TORCH = """
import random

default_generator = random.Random()
manual_seed = default_generator.seed
"""


def test_a_library_that_is_imported_late_is_seeded_too(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    found = find_difference(partial(jobs.LateGenerator, str(tmp_path)))
    assert found is not None
    assert found.way == "generator"


GOOD: list[Callable[[], Iterable[object]]] = [
    partial(range, 20),
    list,
    partial(iter, "once"),
    jobs.once,
    jobs.counts,
    jobs.SeededByEpoch,
    jobs.EqualSets,
    jobs.SortedSet,
    partial(jobs.register_and_make, jobs.LockedAndEqual, drawn=False),
    partial(dict.fromkeys, "abc", {"a": [1.5]}),
    partial(zip, range(5), "abcde"),
]


@pytest.mark.parametrize(("fn", "way"), BAD, ids=lambda each: getattr(each, "__name__", each))
def test_what_differs_is_found_and_named(fn: Callable[[], Iterable[object]], way: str) -> None:
    found = find_difference(fn)
    assert found is not None
    assert found.way == way


@pytest.mark.parametrize("fn", GOOD, ids=[str(number) for number in range(len(GOOD))])
def test_nothing_is_found_where_nothing_differs(fn: Callable[[], Iterable[object]]) -> None:
    assert find_difference(fn) is None


def test_an_iterator_that_is_kept_for_all_passes_is_no_same_pass() -> None:
    found = find_difference(jobs.Kept)
    assert found is not None
    assert (found.way, found.item) == ("pass before", 0)
    assert _short(found.first) == "missing"  # and not None


@pytest.mark.parametrize(
    ("fn", "setup"),
    [(jobs.forgets, None), (jobs.draws, jobs.OneGenerator), (jobs.tells_its_worker, None)],
    ids=["state", "shared generator", "worker"],
)
def test_a_pass_that_cannot_go_on_in_the_middle_is_found(
    fn: Callable[..., Iterable[object]], setup: Callable[[], object] | None
) -> None:
    found = find_difference(fn, 2, setup=setup)
    assert found is not None
    assert found.way == "resume"


@pytest.mark.parametrize("cls", [jobs.Locked, jobs.LockedAndEqual])
def test_items_that_pickle_in_the_worker_alone_are_not_taken_for_others(
    cls: type[jobs.Locked],
) -> None:
    fn = partial(jobs.register_and_make, cls, drawn=True)
    told = "index 0 cannot be compared: it does not pickle .*lock.*; register its reducer at the"
    with pytest.raises(NotPicklableError, match=told):
        check_replay(fn)


def test_results_that_come_as_threads_finish_are_told_of() -> None:
    with pytest.raises(ReplayDivergedError, match="threads"):
        check_replay(jobs.AsThreadsFinish)


def test_a_state_that_is_whole_is_accepted() -> None:
    check_replay(jobs.knows, 2)


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (True, TypeError), ("3", TypeError)])
def test_a_limit_is_a_whole_number_above_zero(limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"limit={limit!r} is .*; pass a whole number of items, 1 or"):
        check_replay(jobs.of_a_shard, limit=limit)


def test_setup_is_for_shards() -> None:
    with pytest.raises(ValueError, match="setup is for shards; pass shards too"):
        check_replay(jobs.of_a_shard, setup=list)


def test_shards_are_compared_too() -> None:
    check_replay(jobs.of_a_shard, [3, 0, 2])
    with pytest.raises(ReplayDivergedError) as caught:
        check_replay(lambda _: jobs.GlobalGenerator(), 2)
    assert HINTS["generator"] in str(caught.value)
