"""What every kind of worker promises of items that wait: how many bytes they have at most."""

from __future__ import annotations

import mmap
import time
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any

import pytest

from farside import map_in_workers
from tests.kinds import FORKSERVER, SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kinds import Kind

SECONDS = 60.0
SETTLED = 0.05  # so long the workers have made nothing: if that is too short, a test checks less
_TOTAL = Struct("<q")
CJK = "\N{CJK UNIFIED IDEOGRAPH-6F22}"

MAKERS: dict[str, Callable[[int], Any]] = {
    "floats": float,
    "words": lambda number: CJK * (6 + number % 3),
    "texts": lambda number: f"{number:0255}",
    "wide texts": lambda number: CJK * (253 + number % 3),
    "pickles": lambda number: b"%0700d" % number,
    "tuples": lambda number: (number / 7, CJK * 100),
    "dictionaries": lambda number: {"id": number, "text": CJK * 200},
    "all kinds": lambda number: MAKERS[[*MAKERS][number % 7]](number),
}


def size(item: Any) -> int:
    """Return how many bytes an item takes in any frame at least."""
    if type(item) in (str, bytes):
        return len(item if type(item) is bytes else item.encode())
    if type(item) is dict:
        return size(tuple(item.values()))
    return sum(map(size, item)) if type(item) is tuple else 9 if type(item) is float else 2


class Counter:
    """Counts the bytes of the items that one worker has made. Any process may read it."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _TOTAL.size)

    def add(self, nbytes: int) -> None:
        _TOTAL.pack_into(self._shared, 0, self.total + nbytes)

    @property
    def total(self) -> int:
        total: int = _TOTAL.unpack_from(self._shared)[0]
        return total


def made(name: str, nbytes: int, folder: str, shard: int = 0) -> Iterator[Any]:
    """Yield so many bytes of items, and count them before."""
    counter, number = Counter(f"{folder}/{shard}"), 0
    while counter.total < nbytes:
        item = MAKERS[name](number)
        counter.add(size(item))
        yield item
        number += 1


class Mapped:
    """A function of a map: it counts the bytes of its results."""

    def __init__(self, name: str, folder: str) -> None:
        self._name, self._folder = name, folder
        self._counter: Any = None

    def __getstate__(self) -> Any:
        return {"_name": self._name, "_folder": self._folder, "_counter": None}

    def __call__(self, number: int) -> Any:
        if self._counter is None:
            from farside import get_worker_info

            info = get_worker_info()
            assert info is not None
            self._counter = Counter(f"{self._folder}/{info.index}")
        item = MAKERS[self._name](number)
        self._counter.add(size(item))
        return item


def most_waiting(folder: Path, items: Any) -> int:
    """Loop over items; return how many bytes waited at most, of all workers together."""
    counters = [Counter(str(each)) for each in folder.iterdir()]
    most = taken = 0
    for number, item in enumerate(items):
        taken += size(item)
        if number in (0, 1, 2, 5, 20, 100, 300, 1500, 6000, 25_000):
            total = -1
            while total != (total := sum(each.total for each in counters)):
                time.sleep(SETTLED)
            most = max(most, total - taken)
    assert taken == sum(each.total for each in counters)
    return most


def prepare(folder: Path, count: int) -> str:
    for number in range(count):
        (folder / str(number)).write_bytes(bytes(_TOTAL.size))
    return str(folder)


def limit(name: str, budget: int) -> int:
    largest = max(size(MAKERS[name](number)) for number in range(10))
    return max(budget + largest, 5 * largest)  # some items may wait however large they are


@pytest.mark.parametrize("kind", [FORKSERVER, *SUBINTERPRETERS], ids=lambda kind: kind.name)
@pytest.mark.parametrize("budget", [1000, 100_000, 256_000, 1 << 20])
@pytest.mark.parametrize("name", MAKERS)
def test_of_one_worker_the_budget_and_one_item_wait_at_most(
    kind: Kind, tmp_path: Path, name: str, budget: int
) -> None:
    fn = partial(made, name, 3 * budget, prepare(tmp_path, 1))
    with kind.start(fn, buffer_bytes=budget, timeout=SECONDS) as items:
        assert most_waiting(tmp_path, items) <= limit(name, budget)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("name", MAKERS)
def test_of_each_of_several_workers_too(tmp_path: Path, name: str, in_order: bool) -> None:  # noqa: FBT001
    budget = 100_000
    fn = partial(made, name, 2 * budget, prepare(tmp_path, 4))
    options: dict[str, Any] = {"buffer_bytes": budget, "in_order": in_order, "timeout": SECONDS}
    with FORKSERVER.start_several(fn, 4, 2, **options) as items:
        assert most_waiting(tmp_path, items) <= 2 * limit(name, budget)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("name", MAKERS)
def test_of_the_results_of_a_map_too(tmp_path: Path, name: str, in_order: bool) -> None:  # noqa: FBT001
    budget = 100_000
    count = 4 * budget // size(MAKERS[name](3))
    function = Mapped(name, prepare(tmp_path, 2))
    given: dict[str, Any] = {"buffer_bytes": budget, "in_order": in_order, "timeout": SECONDS}
    with map_in_workers(function, range(count), 2, backend="subprocess", **given) as items:
        assert most_waiting(tmp_path, items) <= 2 * limit(name, budget)
