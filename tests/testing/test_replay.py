"""`check_replay` finds what cannot be resumed, and says why; it finds nothing where nothing is."""

from __future__ import annotations

import itertools
import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside import ReplayDivergedError, get_worker_info
from farside.testing import check_replay
from farside.testing.replay import HINTS, find_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

pytestmark = [
    pytest.mark.timeout(300),  # each runs several spawned workers
    pytest.mark.usefixtures("unmeasured"),  # which are slow to start if coverage looks on
]


class KeptGenerator:
    def __init__(self) -> None:
        self._random = random.Random(0)  # noqa: S311

    def __iter__(self) -> Iterator[float]:
        return (self._random.random() for _ in range(8))


class KeptCount:
    def __init__(self) -> None:
        self._count = 0

    def __iter__(self) -> Iterator[int]:
        for _ in range(8):
            self._count += 1
            yield self._count


class GlobalGenerator:
    def __iter__(self) -> Iterator[float]:
        return (random.random() for _ in range(8))  # noqa: S311


class GlobalShuffle:
    def __iter__(self) -> Iterator[int]:
        numbers = list(range(50))
        random.shuffle(numbers)
        return iter(numbers)


class OrderOfASet:
    def __iter__(self) -> Iterator[str]:
        return iter(list({f"key {number}" for number in range(20)}))


class HashOfAString:
    def __iter__(self) -> Iterator[int]:
        return (hash(f"key {number}") for number in range(8))


class Clock:
    def __iter__(self) -> Iterator[int]:
        return (time.monotonic_ns() for _ in range(8))


class ProcessNumber:
    def __iter__(self) -> Iterator[int]:
        return iter([os.getpid()])


class LengthThatChanges:
    def __iter__(self) -> Iterator[int]:
        return iter(range(os.getpid() % 1000))


class SecretGenerator:
    def __iter__(self) -> Iterator[bytes]:
        return (os.urandom(8) for _ in range(8))


BAD: list[tuple[Callable[[], Iterable[object]], str]] = [
    (KeptGenerator, "pass before"),
    (KeptCount, "pass before"),
    (GlobalGenerator, "generator"),
    (GlobalShuffle, "generator"),
    (OrderOfASet, "hash"),
    (HashOfAString, "hash"),
    (Clock, "time"),
    (ProcessNumber, "time"),
    (LengthThatChanges, "time"),
    (SecretGenerator, "time"),
]


class SeededByEpoch:
    def __iter__(self) -> Iterator[float]:
        info = get_worker_info()
        assert info is not None
        generator = random.Random(f"{info.seed} {info.epoch}")  # noqa: S311
        return (generator.random() for _ in range(8))


class EqualSets:
    def __iter__(self) -> Iterator[set[str]]:
        return ({f"key {number}", "another", str(number)} for number in range(8))


class SortedSet:
    def __iter__(self) -> Iterator[str]:
        return iter(sorted({f"key {number}" for number in range(20)}))


class ForgetsItsSum:
    """Has a state that is not all of it."""

    def __init__(self) -> None:
        self.number = self.sum = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.number == 40:
            raise StopIteration
        self.number += 1
        self.sum += self.number
        return self.sum

    def state_dict(self) -> dict[str, int]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.number = state["number"]


class KnowsItsSum(ForgetsItsSum):
    def state_dict(self) -> dict[str, int]:
        return {"number": self.number, "sum": self.sum}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.number, self.sum = state["number"], state["sum"]


def forgets(_shard: int) -> Iterator[int]:
    return ForgetsItsSum()


def knows(_shard: int) -> Iterator[int]:
    return KnowsItsSum()


class OneGenerator:
    """Makes a new generator for each pass, which all shards share."""

    def __init__(self) -> None:
        self.epoch = -1
        self.shared = random.Random(0)  # noqa: S311

    def draw(self, epoch: int) -> float:
        if epoch != self.epoch:
            self.epoch, self.shared = epoch, random.Random(epoch)  # noqa: S311
        return self.shared.random()


def draws(made: OneGenerator, _shard: int) -> Iterator[float]:
    info = get_worker_info()
    assert info is not None
    for _ in range(4):
        yield made.draw(info.epoch)


def tells_its_worker(_shard: int) -> Iterator[int]:
    info = get_worker_info()
    assert info is not None
    yield info.index


def once() -> Iterator[int]:
    yield from range(5)


def of_a_shard(shard: int) -> Iterator[float]:
    info = get_worker_info()
    assert info is not None
    assert info.shard_seed is not None
    generator = random.Random(info.shard_seed)  # noqa: S311
    for _ in range(shard):
        yield generator.random()


def counts() -> Iterator[int]:
    return itertools.count()


class Kept:
    """Makes an iterator that is kept."""

    def __init__(self) -> None:
        self.kept = iter(range(3))

    def __iter__(self) -> Iterator[int]:
        return self.kept


GOOD: list[Callable[[], Iterable[object]]] = [
    partial(range, 20),
    list,
    partial(iter, "once"),
    once,
    counts,
    SeededByEpoch,
    EqualSets,
    SortedSet,
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
    found = find_difference(Kept)
    assert found is not None
    assert (found.way, found.item) == ("pass before", 0)


@pytest.mark.parametrize(
    ("fn", "setup"),
    [(forgets, None), (draws, OneGenerator), (tells_its_worker, None)],
    ids=["state", "shared generator", "worker"],
)
def test_a_pass_that_cannot_go_on_in_the_middle_is_found(
    fn: Callable[..., Iterable[object]], setup: Callable[[], object] | None
) -> None:
    found = find_difference(fn, 2, setup=setup)
    assert found is not None
    assert found.way == "resume"


def test_a_state_that_is_whole_is_accepted() -> None:
    check_replay(knows, 2)


def test_an_item_that_is_missing_is_told_from_none() -> None:
    found = find_difference(Kept)
    assert found is not None
    assert str(found.first) == "missing"


def test_setup_is_for_shards() -> None:
    with pytest.raises(ValueError, match="setup is for shards; pass shards too"):
        check_replay(of_a_shard, setup=list)


def test_shards_are_compared_too() -> None:
    check_replay(of_a_shard, [3, 0, 2])
    with pytest.raises(ReplayDivergedError) as caught:
        check_replay(lambda _: GlobalGenerator(), 2)
    assert HINTS["generator"] in str(caught.value)
