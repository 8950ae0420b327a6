"""Loops over libraries with states of their own go on where they were."""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")

from datasets import interleave_datasets

from farside import iterate_in_workers
from farside._worker.snapshots import has_state
from farside.torch import data_loader

from . import hugging_face as jobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def start(fn: Callable[[int], Any], workers: int) -> Any:
    return iterate_in_workers(fn, jobs.SHARDS, workers, backend="subprocess", seed=1)


def saved(fn: Callable[[int], Any], count: int) -> tuple[Any, list[Any]]:
    with start(fn, 2) as items:
        got = list(islice(items, count))
        return json.loads(json.dumps(items.state_dict())), got


def test_a_shard_of_hugging_face_goes_on_by_its_own_state(tmp_path: Path) -> None:
    log = tmp_path / "log"
    state, got = saved(partial(jobs.read, str(log)), 45)
    assert state["snapshots"]
    log.write_text("")
    with start(partial(jobs.read, str(log)), 1) as items:
        items.load_state_dict(state)
        rest = list(items)
        made = len(log.read_text().splitlines())
        whole = list(items)
    assert sorted(row["number"] for row in got + rest) == list(range(jobs.ITEMS))
    assert {tuple(row) for row in got} == {("number", "square")}
    # Some items before are made again, but not those before the states.
    assert len(rest) <= made == jobs.ITEMS - sum(at for _, at, _ in state["snapshots"])
    assert sorted(row["number"] for row in whole) == list(range(jobs.ITEMS))


def test_the_state_of_a_stream_that_shuffles_is_not_used() -> None:
    """It leaves out the buffer; and where many items are equal, to compare one is not enough."""
    state, got = saved(jobs.shuffled, 45)
    assert not state["snapshots"]
    with start(jobs.shuffled, 1) as items:
        items.load_state_dict(state)
        rest = list(items)
        assert [*got, *rest] == list(items), "each epoch has the same order"


def test_streams_that_shuffle_are_known_in_others() -> None:
    rows = jobs.whole()
    shuffled = rows.shuffle(seed=1, buffer_size=8)
    among = interleave_datasets([rows, shuffled])
    for each in (shuffled, shuffled.map(jobs.slowly).take(9), among):
        assert not has_state(each)
    assert has_state(interleave_datasets([rows, rows.map(jobs.slowly)]))


@pytest.mark.parametrize("buffer", [0, 8])
def test_a_loader_goes_on_by_the_state_of_a_stream(
    buffer: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Without PyTorch, nobody tells the data set its part.
    workers = 2 if find_spec("torch") else 1

    def loader() -> Any:
        return data_loader(rows, 3, num_workers=workers, collate_fn=jobs.numbers, seed=1)

    rows = jobs.whole().map(jobs.slowly)
    rows = rows.shuffle(seed=1, buffer_size=buffer) if buffer else rows
    with loader() as batches:
        expected = list(batches)
    with loader() as batches:
        got = list(islice(batches, 12))
        state = json.loads(json.dumps(batches.state_dict()))
    assert bool(state["snapshots"]) is (buffer == 0)
    with loader() as batches:
        batches.load_state_dict(state)
        assert [*got, *batches] == expected
        assert sorted(number for batch in batches for number in batch) == list(range(jobs.ITEMS))
    assert "does not lead to the items that came after it" not in caplog.text
