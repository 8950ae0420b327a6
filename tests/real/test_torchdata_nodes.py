"""An iterable of farside as the source of a pipeline of torchdata's nodes."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest

from farside import iterate_in_workers

nodes = pytest.importorskip("torchdata.nodes", reason="torchdata is not installed")

ITEMS = [6, 5, 6, 5]


def start(workers: int) -> Any:
    return iterate_in_workers(
        range, ITEMS, workers, seed=1, shuffle_shards=True, backend="subprocess", timeout=60
    )


def batches(samples: Any) -> Any:
    ahead = nodes.Prefetcher(nodes.Batcher(nodes.IterableWrapper(samples), 2), prefetch_factor=3)
    return nodes.Loader(ahead)


# The thread of a Prefetcher that the collector ends in that very thread "cannot join" itself.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(150)
@pytest.mark.parametrize("used", [0, 1, 5, 11])
def test_it_saves_and_loads_the_place_of_the_loop(used: int) -> None:
    with start(2) as samples:
        loader = batches(samples)
        epochs = [list(loader) for _ in range(3)]
        del loader  # and the thread of its Prefetcher
    with start(2) as samples:
        loader = batches(samples)
        list(loader)
        begun = list(islice(loader, used))
        state = json.loads(json.dumps(loader.state_dict()))
        del loader
    with start(1) as samples:
        loader = batches(samples)
        loader.load_state_dict(state)
        rest, following = list(loader), list(loader)
        del loader
    if used == len(epochs[1]):  # nothing was left, so the next epoch came at once
        rest, following = [], rest
    assert begun + rest == epochs[1]
    assert following == epochs[2]
