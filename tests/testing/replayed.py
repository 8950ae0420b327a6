"""What the tests of `check_replay` run, in several processes each: nothing heavy is imported."""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from farside import get_worker_info, register_reducer

if TYPE_CHECKING:
    from collections.abc import Iterator


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


class LateGenerator:
    """Draws from the global generator of PyTorch, which it imports itself: here, a stand-in."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[float]:
        if self._folder not in sys.path:
            sys.path.insert(0, self._folder)
        import torch

        return (torch.default_generator.random() for _ in range(8))


class GlobalShuffle:
    def __iter__(self) -> Iterator[int]:
        numbers = list(range(50))
        random.shuffle(numbers)
        return iter(numbers)


class OrderOfASet:
    def __iter__(self) -> Iterator[str]:
        return iter(list({f"key {number}" for number in range(20)}))


class OrderOfADictionary:
    """Its dictionaries are equal, and their pickles are not."""

    def __iter__(self) -> Iterator[dict[str, int]]:
        yield dict.fromkeys({f"key {number}" for number in range(20)}, 0)


class TypeOfANumber:
    """Its numbers are equal, and of two types."""

    def __iter__(self) -> Iterator[float]:
        return (random.choice([number, float(number)]) for number in range(20))  # noqa: S311


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


class Locked:
    """Pickles where its reducer is registered."""

    def __init__(self, number: float) -> None:
        self.number = number
        self.lock = threading.Lock()


class LockedAndEqual(Locked):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, LockedAndEqual) and self.number == other.number

    __hash__ = None  # type: ignore[assignment]


def register_and_make(cls: type[Locked], *, drawn: bool) -> list[Locked]:
    """Register a reducer in the worker alone."""
    register_reducer(cls, lambda locked: (cls, (locked.number,)))
    return [cls(random.random() if drawn else 0)]  # noqa: S311


class AsThreadsFinish:
    def __iter__(self) -> Iterator[int]:
        with ThreadPoolExecutor(8) as pool:
            calls = {pool.submit(time.sleep, os.urandom(1)[0] / 5000): index for index in range(8)}
            return iter([calls[each] for each in as_completed(calls)])


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
