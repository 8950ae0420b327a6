"""States: what is left of a pass comes once, whatever reads it, and in order where order holds."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farside import (
    ExhaustedIteratorWarning,
    IterableClosedError,
    PassOpenError,
    ReplayDivergedError,
    WorkerIterationError,
    map_in_workers,
    merge_states,
)
from farside._parent.passes import anchors
from farside.testing.checks import take
from tests import jobs as plain_jobs
from tests import mapping_jobs
from tests import shard_jobs as jobs
from tests.kinds import FORKSERVER, INLINE, SUBINTERPRETERS, SUBPROCESSES, Kind
from tests.scripts.running import Script, write_script
from tests.simulated import simulate
from tests.steady import STEADY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from farside import RemoteIterable

PLACES = [INLINE, FORKSERVER, *SUBINTERPRETERS]
LENGTHS = [3, 0, 5, 2]
EXPECTED = list(simulate(LENGTHS, 4))


@pytest.fixture(params=PLACES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of worker of each backend."""
    chosen: Kind = request.param
    return chosen


start = Kind.start_several


def pairs(
    kind: Kind = INLINE, workers: int = 2, lengths: Sequence[int] = LENGTHS, **options: Any
) -> RemoteIterable[Any]:
    return start(kind, jobs.pairs, jobs.numbered(lengths), workers, **options)


def sent(state: Any) -> Any:
    """Return what is left of a state that was written as JSON."""
    return json.loads(json.dumps(state))


def some(items: RemoteIterable[Any], count: int) -> list[Any]:
    """Begin a pass and leave it after so many items."""
    iterator = iter(items)
    got = [next(iterator) for _ in range(count)]
    iterator.close()
    return got


# Any number of workers ----------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    lengths = draw(st.lists(st.sampled_from([0, 1, 2, 5, 30]), max_size=12))
    return {
        "lengths": lengths,
        "cycle": draw(st.sampled_from([None, 1, 2, 3, 5])),
        "at": draw(st.integers(0, sum(lengths) + 1)),
        "behind": draw(st.sampled_from([0, 0, 1, 3])),
        "orders": (draw(st.booleans()), draw(st.booleans())),
        "workers": (draw(st.integers(0, 8)), draw(st.integers(0, 8))),
        "sizes": (draw(st.sampled_from([None, 1, 4])), draw(st.sampled_from([None, 2]))),
        "shuffle": draw(st.booleans()),
    }


def check_resume(before: Kind, after: Kind, most: int, case: dict[str, Any]) -> None:
    """Read up to a place, load it elsewhere, and see that just the rest comes."""
    lengths, at, (old_order, new_order) = case["lengths"], case["at"], case["orders"]
    shuffle, cycle = case["shuffle"], case["cycle"]
    old_workers, new_workers = (min(each, most) for each in case["workers"])
    if cycle is not None:  # else there is a warning
        old_workers = min(old_workers, cycle)
    with pairs(
        before,
        old_workers,
        lengths,
        cycle_length=cycle,
        in_order=old_order,
        shuffle_shards=shuffle,
        buffer_size=case["sizes"][0],
        seed=3,
    ) as items:
        iterator, got = iter(items), []
        for item in iterator:
            got.append(item)
            if len(got) >= at:
                over = False
                break
        else:
            over = not case["behind"] or not got
        behind = min(case["behind"], len(got))
        state = sent(items.state_dict(behind=behind))
        iterator.close()
        assert behind or sent(items.state_dict()) == state
        whole = list(items) if old_order else None
    used = got[: len(got) - behind]
    with pairs(
        after,
        new_workers,
        lengths,
        in_order=new_order,
        shuffle_shards=shuffle,
        buffer_size=case["sizes"][1],
    ) as items:
        items.load_state_dict(state)
        assert items.seed == 3
        assert items.epoch == (1 if over else 0)
        assert sent(items.state_dict()) == {**state, "in_order": new_order}
        rest, following = list(items), list(items)
        assert items.epoch == (3 if over else 2)
    every = [(shard, each) for shard, length in enumerate(lengths) for each in range(length)]
    assert Counter(rest if over else used + rest) == Counter(every)
    assert Counter(following) == Counter(every)
    for shard in range(len(lengths)):
        own = [number for each, number in (rest if over else used + rest) if each == shard]
        assert own == list(range(lengths[shard]))
    if old_order and new_order:
        assert whole is not None
        if over:
            assert rest == whole
        else:
            assert following == whole
            if not shuffle:
                assert used + rest == list(
                    simulate(lengths, cycle or max(1, min(16, len(lengths))))
                )


@settings(STEADY, max_examples=60)
@given(cases())
def test_the_rest_comes_once_in_the_calling_thread(case: dict[str, Any]) -> None:
    check_resume(INLINE, INLINE, 8, case)


@settings(STEADY, max_examples=8)
@given(cases())
def test_the_rest_comes_once_in_processes(case: dict[str, Any]) -> None:
    check_resume(FORKSERVER, FORKSERVER, 4, case)


@pytest.mark.skipif(not SUBINTERPRETERS, reason="there are none in this Python")
@settings(STEADY, max_examples=5)
@given(cases())
def test_the_rest_comes_once_in_another_backend(case: dict[str, Any]) -> None:
    check_resume(FORKSERVER, SUBINTERPRETERS[0], 3, case)
    check_resume(SUBINTERPRETERS[0], INLINE, 3, case)


# Moments ------------------------------------------------------------------------------------------


def test_the_moments(kind: Kind) -> None:
    def left(state: Any) -> list[Any]:
        with pairs() as items:
            items.load_state_dict(sent(state))
            return [items.epoch, *items]

    with pairs(kind, seed=1) as items:
        assert left(items.state_dict()) == [0, *EXPECTED]  # before the first pass
        for count, _ in enumerate(items, start=1):  # in a pass, up to after its last item
            assert left(items.state_dict()) == [0, *EXPECTED[count:]]
        assert left(items.state_dict()) == [1, *EXPECTED]  # after its end
        assert some(items, 3) == EXPECTED[:3]
        state = items.state_dict()  # after a loop was left
        assert left(state) == [1, *EXPECTED[3:]]
        assert some(items, 1) == EXPECTED[:1]
        assert left(items.state_dict()) == [2, *EXPECTED[1:]]
        items.load_state_dict(state)
        assert items.state_dict() == state  # after it was loaded
        assert items.epoch == 1
        assert list(items) == EXPECTED[3:]
        assert left(items.state_dict()) == [2, *EXPECTED]
        some(items, 4)
    assert left(items.state_dict()) == [2, *EXPECTED[4:]]  # after it was closed
    with pytest.raises(IterableClosedError):
        items.load_state_dict(state)


def test_after_a_failure_the_state_is_the_one_before_it(kind: Kind) -> None:
    with start(kind, jobs.fail_at_five, 8, 2) as items:
        got, error = take(items)
        assert isinstance(error, WorkerIterationError)
        state = sent(items.state_dict())
    with start(INLINE, jobs.fail_at_five, 8, 1) as items:
        items.load_state_dict(state)
        rest, error = take(items)
        assert (rest, len(got)) == ([], 21)
        assert isinstance(error, KeyError)
        assert (error.shard, error.item_index) == (5, 2)  # type: ignore[attr-defined]


def test_items_that_a_program_holds_back(kind: Kind) -> None:
    with pairs(kind) as items:
        list(items)
        some(items, 3)
        for behind, (epoch, rest) in {
            1: (1, EXPECTED[2:]),
            3: (1, EXPECTED),
            4: (0, EXPECTED[-1:]),
            13: (0, EXPECTED),
        }.items():
            with pairs() as other:
                other.load_state_dict(items.state_dict(behind=behind))
                assert (other.epoch, list(other)) == (epoch, rest)
        with pytest.raises(ValueError, match="behind=14 is further back than is known"):
            items.state_dict(behind=14)
        with pytest.raises(ValueError, match="behind=-1 is below 0; pass a whole number of items"):
            items.state_dict(behind=-1)
        for wrong in (True, 1.0, None):
            with pytest.raises(TypeError, match=f"behind={wrong} is not a whole number"):
                items.state_dict(behind=wrong)  # type: ignore[arg-type]
        number: Any = np.int64(1)
        assert items.state_dict(behind=number) == items.state_dict(behind=1)


def test_epochs_go_on(kind: Kind) -> None:
    with start(kind, jobs.tell, 3, 2, seed=5) as items:
        passes = [list(items) for _ in range(4)]
        some(items, 2)
    for epoch in range(4):
        with start(kind, jobs.tell, 3, 1, seed=5) as items:
            for _ in range(epoch):
                some(items, 1)
            state = None
            for count, _ in enumerate(items, start=1):
                if count == 4:
                    state = items.state_dict()
                    break
        with start(kind, jobs.tell, 3, 2) as items:
            items.load_state_dict(sent(state))
            assert items.epoch == epoch
            assert [list(items), *([list(items)] if epoch < 3 else [])] == [
                passes[epoch][4:],
                *passes[epoch + 1 : epoch + 2],
            ]


# Refusals -----------------------------------------------------------------------------------------


def changed(**changes: Any) -> Any:
    with pairs(seed=1) as items:
        some(items, 3)
        return {**items.state_dict(), **changes}


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (None, TypeError, "state=None is not a state of farside; pass what state_dict"),
        ({}, TypeError, "is not a state of farside"),
        ({"farside": 99}, ValueError, "has version 99, and this farside reads 2"),
        ({"turn": "x"}, ValueError, "turn='x'"),
        ({"begun": [[1, -1]]}, ValueError, "begun=.*, which is broken"),
        (
            {"kind": "iterable"},
            ValueError,
            "made by iterate_in_worker, .*, and this one was made by iterate_in_workers or data_l",
        ),
        ({"kind": "bag"}, ValueError, "kind='bag', which is broken"),
        (
            {"shards": 5},
            ValueError,
            "shards=5, and this iterable has 4; pass .*, or begin its epoch anew, by set_epoch",
        ),
        ({"snapshots": [[0, 0, "Lprint()"]]}, ValueError, "a snapshot that cannot be read"),
        (
            {"fingerprint": "ab"},
            ValueError,
            "saved with other shards, or in another order; pass strict=False",
        ),
        (
            {"world_size": 2, "begun": [], "anchors": []},
            ValueError,
            "rank .0. of 2, and this is rank 0 of 1",
        ),
    ],
)
def test_states_that_are_refused(state: Any, error: type[Exception], message: str) -> None:
    broken = changed(**state) if state else state
    with pairs() as items:
        before = items.state_dict()
        with pytest.raises(error, match=message):
            items.load_state_dict(broken)
        assert items.state_dict() == before
        assert list(items) == EXPECTED


def test_other_shards_and_other_options() -> None:
    state = changed()
    with pairs(lengths=[3, 0, 5, 1]) as items:
        with pytest.raises(ValueError, match="other shards, or in another order"):
            items.load_state_dict(state)
        with pytest.raises(TypeError, match="strict='no' is not a bool; pass True or False"):
            items.load_state_dict(state, strict="no")  # type: ignore[arg-type]
        items.load_state_dict(state, strict=False)
        assert list(items) == list(simulate([3, 0, 5, 1], 4))[3:]
    with pairs(seed=2) as items, pytest.raises(ValueError, match=r"seed=1, and this .* has 2"):
        items.load_state_dict(state)
    with (
        pairs(cycle_length=2) as items,
        pytest.raises(ValueError, match="cycle_length=4, and this iterable has 2"),
    ):
        items.load_state_dict(state)
    with pairs(seed=1, cycle_length=4) as items:
        items.load_state_dict(state)
        assert list(items) == EXPECTED[3:]


def test_a_state_is_not_loaded_in_a_pass(kind: Kind) -> None:
    with pairs(kind) as items:
        state = items.state_dict()
        iterator = iter(items)
        next(iterator)
        with pytest.raises(PassOpenError, match="load_state_dict"):
            items.load_state_dict(state)
        assert list(iterator) == EXPECTED[1:]
        items.load_state_dict(state)
        assert list(items) == EXPECTED


# Ranks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(1, 3), (2, 3), (3, 2), (4, 1)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_another_number_of_ranks(before: int, after: int, *, shuffle: bool) -> None:
    lengths = [3, 2, 5, 2, 4, 4, 3, 0, 6, 2, 3]
    states, used, rest = [], [], []
    for rank in range(before):
        with pairs(
            lengths=lengths, rank=rank, world_size=before, seed=1, shuffle_shards=shuffle
        ) as items:
            used += some(items, 1 + rank % 2)
            states.append(sent(items.state_dict()))
    for each in states if before > 1 else ():
        with pairs(lengths=lengths) as items, pytest.raises(ValueError, match="merge_states"):
            items.load_state_dict(each)
    merged = sent(merge_states(states))
    for rank in range(after):
        with pairs(
            lengths=lengths, rank=rank, world_size=after, seed=1, shuffle_shards=shuffle
        ) as items:
            items.load_state_dict(merged)
            rest += list(items)
    assert Counter(used + rest) == Counter(simulate(lengths, 1))


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_jobs_that_resume_again_and_again(rounds: int, *, in_order: bool) -> None:
    """Each has another number of ranks, in the same epoch, and merges what all of them tell."""
    lengths = [3, 2, 5, 2, 4, 4, 3, 0, 6, 2, 3]
    used: list[Any] = []
    merged = None
    for number in range(rounds + 1):
        states, ranks = [], 2 + number % 2
        for rank in range(ranks):
            with pairs(
                lengths=lengths, rank=rank, world_size=ranks, seed=1, in_order=in_order
            ) as items:
                if merged is not None:
                    items.load_state_dict(merged)
                used += list(items) if number == rounds else some(items, 1 + rank % 2)
                states.append(sent(items.state_dict()))
        merged = sent(merge_states(states)) if number < rounds else None
    assert Counter(used) == Counter(simulate(lengths, 1))


def test_states_that_cannot_be_merged() -> None:
    with pairs(rank=0, world_size=2, seed=1) as first, pairs(rank=1, world_size=2, seed=1) as other:
        one, two = first.state_dict(), other.state_dict()
        list(first)
        with pytest.raises(ValueError, match="differ in epoch: 0 and 1"):
            merge_states([first.state_dict(), two])
        first.load_state_dict(one)
        with pytest.raises(ValueError, match=r"rank \[1\] of 2, and this is rank 0 of 2"):
            first.load_state_dict(two)
    with pytest.raises(ValueError, match=r"those of ranks \[0\], and world_size is 2"):
        merge_states([one])
    with pytest.raises(ValueError, match=r"those of ranks \[0, 0\]"):
        merge_states([one, one])
    with pytest.raises(ValueError, match="states is empty"):
        merge_states([])
    with pytest.raises(TypeError, match="is not a state"):
        merge_states([one, {}])


# Passes that are not the same ---------------------------------------------------------------------


@pytest.mark.parametrize("in_order", [True, False])
def test_random_numbers_without_a_seed_are_found_out(
    monkeypatch: pytest.MonkeyPatch, *, in_order: bool
) -> None:
    monkeypatch.setattr(anchors, "_ANCHOR_SECONDS", 0.0)  # each is compared, however fast they come
    for place in [*range(1, 12), *range(13, 22)]:  # where no shard has just ended
        with start(INLINE, jobs.unseeded, 4, 2, in_order=in_order) as items:
            some(items, place)
            state = sent(items.state_dict())
        with start(INLINE, jobs.unseeded, 4, 1, in_order=in_order) as items:
            items.load_state_dict(state)
            with pytest.raises(ReplayDivergedError, match="differs from before"):
                list(items)
        with start(INLINE, jobs.unseeded, 4, 1, in_order=in_order, verify_replay=False) as items:
            items.load_state_dict(state)
            assert len(list(items)) == 24 - place


@pytest.mark.parametrize("shards", [0, 1])
def test_an_error_names_the_item_that_differs_and_no_other(kind: Kind, shards: int) -> None:
    def begin() -> RemoteIterable[float]:
        if not shards:
            return kind.start(partial(jobs.unseeded, 0))
        return start(kind, jobs.unseeded, shards, 1)

    with begin() as items:
        some(items, 4)
        state = sent(items.state_dict())
    index = state["anchors"][0][1]  # of the first item that is compared, below 4
    with begin() as items:
        items.load_state_dict(state)
        with pytest.raises(WorkerIterationError) as caught:
            next(iter(items))
    told = " ".join(map(str, (caught.value, *getattr(caught.value, "__notes__", ()))))
    assert set(re.findall(r"item of index (\d)", told)) == {str(index)}
    assert caught.value.item_index == index
    assert getattr(caught.value, "shard", None) == (0 if shards else None)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_first_items_are_compared_however_fast_they_come(workers: int) -> None:
    for place in range(4, 84, 20):
        with start(FORKSERVER, jobs.fast_unseeded, 4, workers) as items:
            some(items, place)
            state = sent(items.state_dict())
        assert [shard for shard, _, _ in state["anchors"]] == [0, 1, 2, 3]
        with start(INLINE, jobs.fast_unseeded, 4, 1) as items:
            items.load_state_dict(state)
            with pytest.raises(ReplayDivergedError, match="differs from before"):
                next(iter(items))


def test_items_that_hold_sets_are_not_taken_for_others() -> None:
    """The order in which a set is pickled is that of hashes, which each process draws anew."""
    spawn, _, _ = SUBPROCESSES
    for fn in (jobs.tagged, jobs.counted):
        for _ in range(3):
            with start(INLINE, fn, 4, 1) as items:
                first = some(items, 3)
                state = sent(items.state_dict())
            with start(spawn, fn, 4, 1) as items:
                items.load_state_dict(state)
                rest = list(items)
            with start(INLINE, fn, 4, 1) as items:
                assert first + rest == list(items)


def test_texts_are_compared_however_little_may_wait(kind: Kind) -> None:
    with start(kind, jobs.lines, 2, 1, buffer_bytes=1 << 14) as items:
        first = some(items, 5)
        state = sent(items.state_dict())
    for buffer_bytes in (1 << 14, 1 << 20):
        with start(kind, jobs.lines, 2, 1, buffer_bytes=buffer_bytes) as items:
            everything = list(items)
            items.load_state_dict(state)
            assert first + list(items) == everything


def test_a_shard_that_has_become_shorter(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "length"
    path.write_text("10")
    with start(kind, partial(jobs.shorter, str(path)), 2, 2) as items:
        some(items, 12)
        state = sent(items.state_dict())
        path.write_text("4")
        items.load_state_dict(state)
        with pytest.raises(ReplayDivergedError, match="ended after 4 items, where 6 were read"):
            list(items)


# One worker ---------------------------------------------------------------------------------------


def test_one_worker(kind: Kind) -> None:
    with kind.start(partial(plain_jobs.Numbers, 10), seed=4) as items:
        list(items)
        some(items, 4)
        state = sent(items.state_dict())
    with kind.start(partial(plain_jobs.Numbers, 10)) as items:
        items.load_state_dict(state)
        assert (items.epoch, items.seed) == (1, 4)
        assert list(items) == list(range(4, 10))
        assert list(items) == list(range(10))
        assert items.epoch == 3
    with pairs() as others, pytest.raises(ValueError, match="made by iterate_in_worker, "):
        others.load_state_dict(state)
    with map_in_workers(mapping_jobs.square, [1, 2], 0) as squares:
        with pytest.raises((TypeError, ValueError)):
            squares.load_state_dict(state)


def test_the_seed_of_a_state_of_the_beginning_is_taken_over(kind: Kind) -> None:
    with kind.start(plain_jobs.Seeds, seed=4) as items:
        state = sent(items.state_dict())
    with kind.start(plain_jobs.Seeds) as items:
        items.load_state_dict(state)
        assert [*items, *items] == [(0, 4)] * 2 + [(1, 4)] * 2


def test_a_one_shot_iterator_resumes_in_its_first_pass_alone(kind: Kind) -> None:
    count = partial(plain_jobs.generate, 10)
    with kind.start(count) as items:
        some(items, 4)
        state = sent(items.state_dict())
    with kind.start(count) as items:
        items.load_state_dict(state)
        assert list(items) == list(range(4, 10))
        with pytest.warns(ExhaustedIteratorWarning):
            assert list(items) == []
    with kind.start(count) as items:
        list(items)
        items.load_state_dict(state)
        with pytest.raises(ReplayDivergedError, match="one-shot iterator"):
            list(items)


# Size ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("shards", [64, 2000])
@pytest.mark.parametrize(
    "how", [{}, {"shuffle_shards": True, "seed": 1}, {"rank": 1, "world_size": 3}], ids=str
)
def test_a_state_is_small(shards: int, how: dict[str, Any], *, in_order: bool) -> None:
    with start(INLINE, range, [1] * shards, 4, in_order=in_order, **how) as items:
        for count, _ in enumerate(items):
            if count % (shards // 5) == 0:
                assert len(json.dumps(items.state_dict())) < 4096


# Lives of a whole program -------------------------------------------------------------------------

PROGRAM = """\
import json, os, sys
from pathlib import Path
from farside import iterate_in_workers
from tests.shard_jobs import numbered, slow_pairs
from functools import partial

if __name__ == "__main__":
    path, used = Path("checkpoint"), []
    read = partial(slow_pairs, 0.002)
    with iterate_in_workers(
        read, numbered([9, 0, 7, 30, 1, 8]), int(sys.argv[1]), seed=1, backend="subprocess"
    ) as items:
        if path.exists():
            saved = json.loads(path.read_text())
            used = saved["used"]
            items.load_state_dict(saved["state"])
        print("begun", flush=True)
        while (epoch := items.epoch) < 2:
            for item in items:
                used.append([epoch, *item])
                Path("new").write_text(json.dumps({"used": used, "state": items.state_dict()}))
                os.replace("new", path)
    print("over", flush=True)
"""


def test_a_program_that_is_killed_again_and_again(tmp_path: Path) -> None:
    path, rng = write_script(tmp_path, PROGRAM), random.Random(0)  # noqa: S311  as elsewhere
    lives = 0
    for workers in [1, 3, 2, 4, 1, 2, 3, 2, 1, 2, 4, 2]:
        with Script(tmp_path, [str(path), str(workers)], kind=FORKSERVER) as script:
            assert script.line() == "begun"
            lives += 1
            if lives < 6:
                time.sleep(rng.uniform(0.02, 0.1))
                os.kill(script.pid, signal.SIGKILL)
            elif script.line() == "over":
                break
    saved = json.loads((tmp_path / "checkpoint").read_text())
    expected = list(simulate([9, 0, 7, 30, 1, 8], 6))
    assert saved["used"] == [[epoch, *item] for epoch in range(2) for item in expected]
