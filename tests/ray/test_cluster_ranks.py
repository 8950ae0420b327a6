"""Two programs on one cluster, each a rank with its part of the shards."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from farside.testing.checks import until
from tests.ray.conftest import CPUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

SHARDS = [30, 10, 20, 20, 10]
BY_RANK = [{0, 2, 4}, {1, 3}]

_DRIVER = """
import sys
from farside import iterate_in_workers

def read(shard):
    number, count = shard
    return ((number, index) for index in range(count))

if __name__ == "__main__":
    address, rank, *counts = sys.argv[1:]
    with iterate_in_workers(
        read,
        list(enumerate(map(int, counts))),
        2,
        rank=int(rank),
        world_size=2,
        buffer_size=2,
        backend="ray",
        backend_options={"address": address, "num_cpus": 0.1},
    ) as items:
        workers = [each.name for each in items.stats().workers]
        print(*[name.partition("(pid ")[2].split()[0] for name in workers], flush=True)
        for count, item in enumerate(items):
            print(*item, flush=True)
            if count == 4 and input() == "leave":
                break
"""


class Rank:
    """A program. It waits after five items until it is told to go on, or to leave."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines = self._read()
        self.workers = list(next(self._lines))
        self.items = list(islice(self._lines, 5))

    def _read(self) -> Iterator[tuple[int, ...]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield tuple(map(int, line.split()))

    def finish(self, how: str) -> None:
        """Tell it how to go on, and read the rest."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{how}\n")
        self.process.stdin.flush()
        self.items += self._lines
        assert self.process.wait() == 0

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(cluster: Any, tmp_path: Path) -> Iterator[Callable[[int], Rank]]:
    script = tmp_path / "driver.py"
    script.write_text(_DRIVER)
    address = cluster.get_runtime_context().gcs_address

    with ExitStack() as ends:

        def start(rank: int) -> Rank:
            made = Rank([sys.executable, str(script), address, str(rank), *map(str, SHARDS)])
            ends.callback(made.end)
            return made

        yield start
    until(lambda: cluster.available_resources().get("CPU") == CPUS)


def items_of(rank: int) -> list[tuple[int, int]]:
    return [(shard, index) for shard in BY_RANK[rank] for index in range(SHARDS[shard])]


def test_two_ranks_have_each_item_once(start: Callable[[int], Rank]) -> None:
    both = [start(rank) for rank in (0, 1)]
    for rank, each in enumerate(both):
        each.finish("go on")
        assert sorted(each.items) == sorted(items_of(rank))
    assert not set(both[0].workers) & set(both[1].workers)


@pytest.mark.parametrize("killed", [False, True], ids=["leaves", "is killed"])
def test_a_rank_goes_on_when_another_one(start: Callable[[int], Rank], *, killed: bool) -> None:
    goes, stays = start(0), start(1)
    if killed:
        goes.end()
    else:
        goes.finish("leave")
        assert len(goes.items) == 5
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in goes.workers))
    stays.finish("go on")
    assert sorted(stays.items) == sorted(items_of(1))
