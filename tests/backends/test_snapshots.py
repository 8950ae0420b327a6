"""Snapshots: a worker that goes on where another was loads the state of the user's iterable."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from farside import ReplayDivergedError, WorkerRestartedWarning
from tests import snapshot_jobs as jobs
from tests.kinds import FORKSERVER, INLINE, SUBINTERPRETERS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACES = [INLINE, FORKSERVER, *SUBINTERPRETERS]


@pytest.fixture(params=PLACES, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of worker of each backend."""
    chosen: Kind = request.param
    return chosen


class Log:
    """What iterables have noted."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def read(self) -> str:
        """Return what has been written since the last time."""
        with open(self.path, "a+") as file:
            file.seek(0)
            return file.read()

    def take(self) -> list[str]:
        """Return the lines since the last time."""
        with open(self.path, "a+") as file:
            file.seek(0)
            lines = file.read().splitlines()
            file.truncate(0)
        return lines


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def saved(kind: Kind, fn: Callable[..., Any], count: int, **options: Any) -> tuple[Any, list[Any]]:
    """Read some items in two workers, and return the state then, by way of JSON, and the items."""
    with kind.start_several(fn, 3, 2, seed=1, **options) as items:
        got = []
        for item in items:
            got.append(item)
            if len(got) == count:
                break
        return json.loads(json.dumps(items.state_dict())), got


def resumed(kind: Kind, fn: Callable[..., Any], state: Any, **options: Any) -> list[Any]:
    """Return the rest, read in another number of workers."""
    with kind.start_several(fn, 3, 1, **options) as items:
        items.load_state_dict(state)
        return list(items)


# Resume -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "job", "in_order"),
    [
        *[(each, jobs.Counting, True) for each in PLACES],
        (INLINE, jobs.Counting, False),
        (FORKSERVER, jobs.Counting, False),
        (INLINE, jobs.Iterable, True),
        (INLINE, jobs.Iterable, False),
        (INLINE, jobs.Drawing, True),
    ],
)
def test_the_rest_comes_and_the_items_before_are_not_made_again(
    kind: Kind, job: type[jobs.Counting], log: Log, *, in_order: bool
) -> None:
    fn = partial(job, log.path)
    state, got = saved(kind, fn, 75, in_order=in_order)
    assert state["snapshots"]
    log.take()
    rest = resumed(kind, fn, state, in_order=in_order)
    assert sorted(got + rest) == sorted(
        item for shard in range(3) for item in _all(job, log.path, shard)
    )
    lines = log.take()
    for shard, at, _ in state["snapshots"]:
        loaded = lines.index(f"{shard} loaded {at}")
        items = [line for line in lines if line.startswith(f"{shard} item")]
        assert items[0] == f"{shard} item {at}", "it is not bound to its item"
        assert lines.index(items[0]) > loaded


def _all(job: type[jobs.Counting], path: str, shard: int) -> list[Any]:
    made = job(path, shard)
    made.pause = 0
    return list(made)


def _all_made_again(log: Log, shard: int) -> bool:
    """Tell whether a shard was made, loaded, and made again from its first item to its last."""
    lines = [line[2:] for line in log.take() if line.startswith(f"{shard} ")]
    made, loaded = lines.index("made"), [line.startswith("loaded") for line in lines].index(True)
    again = lines[loaded:].index("made") + loaded
    return made < loaded and lines[again + 1 :] == [f"item {number}" for number in range(40)]


@pytest.mark.parametrize("job", [jobs.Wrong, jobs.WrongSets, jobs.Unloadable, jobs.Overshot])
def test_where_a_state_does_not_serve_all_items_are_made_again(
    kind: Kind, job: type[jobs.Counting], log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    fn = partial(job, log.path)
    state, got = saved(kind, fn, 75)
    log.take()
    rest = resumed(kind, fn, state)
    numbers = sorted(item[:2] for item in got + rest)
    assert numbers == [(shard, number) for shard in range(3) for number in range(40)]
    records = [each for each in caplog.records if each.name == "farside"]
    loaded = [shard for shard, _, _ in state["snapshots"]]
    assert len(records) == len(loaded) > 0
    for record, shard in zip(records, loaded, strict=True):
        assert record.levelno == logging.WARNING
        message = record.getMessage()
        assert f"the state of shard {shard} does not lead to the items" in message
        assert job.why in message
    assert _all_made_again(log, loaded[0])


def test_what_a_state_has_led_astray_is_gone_before_the_shard_is_made_again(log: Log) -> None:
    """Two that are large would take twice the memory, and a file may be opened once."""
    fn = partial(jobs.Alone, log.path)
    with INLINE.start_several(fn, 1, 1, seed=1) as items:
        assert list(islice(items, 30))[-1] == (0, 29)
        state = items.state_dict()
    log.take()
    with INLINE.start_several(fn, 1, 1) as items:
        items.load_state_dict(state)
        assert list(items) == [(0, number) for number in range(30, 40)]
    assert [line for line in log.take() if "beside" in line] == ["0 beside 0"] * 2


@pytest.mark.parametrize("stop", [60, 75, 90])
def test_an_item_that_is_the_same_by_chance_is_not_enough(
    stop: int, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    fn = partial(jobs.Pairs, log.path)
    state, got = saved(INLINE, fn, stop)
    rest = resumed(INLINE, fn, state)
    assert sorted(got + rest) == [
        (shard, number // 2) for shard in range(3) for number in range(40)
    ]
    assert caplog.text.count("does not lead to the items") == len(state["snapshots"]) > 0


def test_the_item_after_a_state_is_compared_also_in_the_middle_of_a_block(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    fn = partial(jobs.Wrong, log.path)
    one_block = False
    while not one_block:  # a worker that is slow sends them in parts
        log.take()
        with FORKSERVER.start_several(fn, 1, 1, seed=1) as items:
            iterator = iter(items)
            while "0 item 39" not in log.read():
                time.sleep(0.1)
            assert list(islice(iterator, 30)) == [(0, number) for number in range(30)]
            delivery: Any = items._current.delivery
            one_block = delivery.block[1] == 40
            state = json.loads(json.dumps(items.state_dict()))
    ((_, place, _),), anchors = state["snapshots"], state["anchors"]
    assert [index for _, index, _ in anchors] == [place, place + 1, place + 2]
    assert place > 0
    with FORKSERVER.start_several(fn, 1, 1) as items:
        items.load_state_dict(state)
        assert list(items) == [(0, number) for number in range(30, 40)]
    assert "does not lead to the items" in caplog.text


@pytest.mark.parametrize("job", [jobs.MadeWrong, jobs.MadeUnloadable])
def test_one_worker_makes_all_again_where_the_state_of_its_iterator_does_not_serve(
    kind: Kind, job: type[jobs.Made], log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    state = _saved_by_one(kind, partial(job, log.path))
    log.take()
    with kind.start(partial(job, log.path)) as items:
        items.load_state_dict(state)
        assert list(items) == [(0, number) for number in range(30, 40)]
        stats = items.stats()
        assert stats.skipped_items >= 30
        assert stats.items_to_skip == 0
    assert "the state of the iterable does not lead to the items" in caplog.text
    assert _all_made_again(log, 0)


def test_where_nothing_makes_an_iterator_as_new_its_wrong_state_is_an_error(log: Log) -> None:
    fn = partial(jobs.Wrong, log.path)
    state = _saved_by_one(INLINE, fn)
    with INLINE.start(fn) as items:
        items.load_state_dict(state)
        with pytest.raises(ReplayDivergedError, match=r"what load_state_dict\(\) loaded may be"):
            list(items)


def _saved_by_one(kind: Kind, fn: Callable[[], Any]) -> Any:
    with kind.start(fn) as items:
        for item in items:
            if item == (0, 29):
                break
        return json.loads(json.dumps(items.state_dict()))


def test_a_state_that_was_just_loaded_is_told_again(log: Log) -> None:
    fn = partial(jobs.Counting, log.path)
    state, _ = saved(INLINE, fn, 75)
    with INLINE.start_several(fn, 3, 1) as items:
        items.load_state_dict(state)
        assert items.state_dict() == state
        iter(items)
        after = items.state_dict()
    assert (after["snapshots"], after["anchors"]) == (state["snapshots"], state["anchors"])


def test_one_worker_goes_on_by_the_state_of_its_iterator(kind: Kind, log: Log) -> None:
    fn = partial(jobs.Made, log.path)
    state = _saved_by_one(kind, fn)
    (_, at, _), *_ = state["snapshots"]
    log.take()
    with kind.start(fn) as items:
        items.load_state_dict(state)
        assert list(items) == [(0, number) for number in range(30, 40)]
        lines = log.take()
        assert lines[:3] == ["0 made", f"0 loaded {at}", f"0 item {at}"]
        # The next pass begins at its beginning.
        assert list(items) == [(0, number) for number in range(40)]


def test_what_is_no_plain_value_is_in_no_state(log: Log) -> None:
    fn = partial(jobs.Pickled, log.path)
    state, got = saved(INLINE, fn, 75)
    assert state["snapshots"] == []
    assert len(got) + len(resumed(INLINE, fn, state)) == 120
    assert not [line for line in log.take() if "loaded" in line]


def test_a_state_with_a_pickle_is_refused(log: Log) -> None:
    fn = partial(jobs.Counting, log.path)
    state, _ = saved(INLINE, fn, 75)
    shard, at, text = state["snapshots"][0]
    for wrong in [
        [shard, at, "P" + text[1:]],
        [shard, at, "Lprint()"],
        [shard, at, "L{"],
        [shard, at + 99, text],
        [shard, at],
        [shard, -1, text],
        [99, 0, text],
        [shard, at, None],
    ]:
        with INLINE.start_several(fn, 3, 1) as items:
            with pytest.raises(ValueError, match=r"the state has (a )?snapshot"):
                items.load_state_dict({**state, "snapshots": [wrong]})


# Restart ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [jobs.Mortal, jobs.MortalPickled])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_worker_that_is_started_again_loads_the_latest(
    job: type[jobs.Counting], log: Log, *, in_order: bool
) -> None:
    with FORKSERVER.start_several(
        partial(job, log.path), 1, 1, in_order=in_order, max_restarts=1
    ) as items:
        with pytest.warns(WorkerRestartedWarning):
            assert list(items) == [(0, number) for number in range(40)]
    lines = log.take()
    after = lines[lines.index("0 dies") + 1 :]
    assert after[0] == "0 made"
    assert after[1].startswith("0 loaded ")
    at = int(after[1].split()[-1])
    assert 0 < at <= 29
    assert after[2:] == [f"0 item {number}" for number in range(at, 40)]


# What goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (jobs.Failing, "Failing.state_dict() has failed (LookupError: nowhere)"),
        (jobs.Large, "Large.state_dict() returned more than 65536 bytes"),
        (jobs.Unpicklable, "Unpicklable.state_dict() has failed ("),
    ],
)
def test_a_state_that_cannot_be_had_is_told_and_items_are_made_again(
    job: type[jobs.Counting], why: str, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    with FORKSERVER.start_several(partial(job, log.path, length=20), 1, 1) as items:
        got = list(islice(items, 15))
        state = items.state_dict()
        items.load_state_dict(state)
        rest = list(items)
    assert state["snapshots"] == []
    assert [*got, *rest] == [(0, number) for number in range(20)]
    (record,) = [each for each in caplog.records if each.name == "farside"]
    assert record.levelno == logging.WARNING
    assert why in record.getMessage()
    assert "makes the items before again" in record.getMessage()
