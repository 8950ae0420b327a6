"""Loops over libraries with states of their own go on where they were."""

from __future__ import annotations

import json
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")

from farside import ReplayDivergedError, iterate_in_workers

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


def test_a_state_that_does_not_tell_all_is_found_out() -> None:
    state, got = saved(jobs.shuffled, 45)
    with start(jobs.shuffled, 1) as items:
        items.load_state_dict(state)
        # Where it asks PyTorch for its part, datasets 5.2 cannot load that state.
        with pytest.raises(
            (ReplayDivergedError, IndexError), match=r"what load_state_dict\(\) loaded|out of range"
        ):
            list(items)
    # A generator around it has no state, so that all is made again.
    state, got = saved(jobs.shuffled_without_state, 45)
    assert state["snapshots"] == []
    with start(jobs.shuffled_without_state, 1) as items:
        items.load_state_dict(state)
        rest = list(items)
    assert sorted(row["number"] for row in got + rest) == list(range(jobs.ITEMS))
