"""Functions that tests of several workers run in them. Nothing heavy is imported here."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from farside import get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def pairs(shard: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the shard's number and that of each of its items."""
    number, length = shard
    for each in range(length):
        yield number, each


def slow_pairs(seconds: float, shard: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the same, and take some time for each."""
    for pair in pairs(shard):
        time.sleep(seconds)
        yield pair


def first_dies(shard: int) -> Iterator[int]:
    """Yield the shard; the first one ends its process."""
    if not shard:
        os.kill(os.getpid(), signal.SIGKILL)
    yield shard


def numbered(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Return shards for `pairs`."""
    return list(enumerate(lengths))


def tell(shard: int) -> Iterator[Any]:
    """Yield what is told of the shard, before and after other shards have had their turn."""
    for number in range(3):
        info = get_worker_info()
        assert info is not None
        assert info.shard == shard
        yield shard, number, info.shard_count, info.shard_seed, info.epoch


def environment(_: int) -> Iterator[tuple[int, str, str | None]]:
    """Yield which worker it is, what it is called, and what its environment says."""
    info = get_worker_info()
    assert info is not None
    yield info.index, info.name, os.environ.get("FARSIDE_TEST")


def tagged(shard: int) -> Iterator[Any]:
    """Yield items that hold sets."""
    for number in range(3):
        yield {"number": (shard, number), "tags": {"cat", "dog", "bird", "fish", "cow"}}


def lines(shard: int) -> Iterator[str]:
    """Yield texts that may be sent in either way."""
    for number in range(4):
        yield f"line {number} of {shard} " * 5


def counted(shard: int) -> Iterator[Any]:
    """Yield the same without sets."""
    for number in range(3):
        yield {"number": (shard, number), "tags": ["cat", "dog"]}


class Made:
    """What `setup` makes: it counts how many there are in this worker, and has a factor."""

    count = 0

    def __init__(self) -> None:
        Made.count += 1
        self.factor = 1

    def set_factor(self, factor: int) -> tuple[int, int]:
        self.factor = factor
        info = get_worker_info()
        assert info is not None
        return info.index, factor

    def refuse(self) -> None:
        raise LookupError("not here")


def scaled(made: Made, shard: int) -> Iterator[tuple[int, int]]:
    yield Made.count, made.factor * shard
    yield Made.count, made.factor * shard


def fail_at_five(shard: int) -> Iterator[tuple[int, int]]:
    """Raise an error in shard 5, at its item of index 2."""
    yield shard, 0
    yield shard, 1
    if shard == 5:
        raise KeyError("five")
    yield shard, 2


def no_iterable_of_five(shard: int) -> Any:
    return [shard] if shard != 5 else 5


def lock_at_five(shard: int) -> Iterator[object]:
    """Yield something in shard 5 that cannot be pickled."""
    yield shard
    yield threading.Lock() if shard == 5 else shard


def no_setup() -> None:
    raise OSError("no model")


def of_nothing(made: None, shard: int) -> list[int]:
    return [shard]


def stuck_at_three(shard: int) -> Iterator[int]:
    yield shard
    if shard == 3:
        time.sleep(3)
    yield shard


def count_for_ever(shard: int) -> Iterator[tuple[int, int]]:
    number = 0
    while True:
        yield shard, number
        number += 1


def uneven(shard: int) -> Iterator[int]:
    """Take time in one shard alone."""
    for _ in range(10):
        if shard == 1:
            time.sleep(0.01)
        yield shard


def die(how: str) -> None:
    """End this worker, or let it get stuck for some seconds."""
    if how == "exit":
        os._exit(7)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(2)


class Plan:
    """How the lives of workers end: the first one at the first place, and so on.

    A place is a shard and the number of an item, the same with the epoch before it, or ``"start"``.
    """

    def __init__(self, path: str, how: str, *places: object) -> None:
        self.path = path
        self.how = how
        self.places = places
        open(path, "wb").close()

    def reach(self, place: object) -> None:
        """Die, if this life has to end here."""
        lives = os.path.getsize(self.path)
        if lives < len(self.places) and self.places[lives] == place:
            with open(self.path, "ab") as file:
                file.write(b"x")
            die(self.how)

    def start(self) -> None:
        self.reach("start")


def mortal_pairs(plan: Plan, shard: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield what `pairs` yields, and die as planned."""
    info = get_worker_info()
    assert info is not None
    for pair in pairs(shard):
        plan.reach(pair)
        plan.reach((info.epoch, *pair))
        yield pair


def mortal_scaled(plan: Plan, made: Made, shard: int) -> Iterator[tuple[int, int]]:
    for number in range(5):
        plan.reach((shard, number))
        yield shard, made.factor * number


def arrays(shard: tuple[int, int]) -> Iterator[Any]:
    """Yield arrays that lie in shared memory."""
    import numpy as np

    for number, each in pairs(shard):
        time.sleep(0.001)
        yield number, each, np.full(50_000, number * 1000 + each)


def unseeded(shard: int) -> Iterator[float]:
    """Yield other numbers each time."""
    return (random.random() for _ in range(6))  # noqa: S311  nothing is kept secret


def fast_unseeded(shard: int) -> Iterator[float]:
    """Yield other numbers each time."""
    return (random.random() for _ in range(100))  # noqa: S311  nothing is kept secret


def shorter(path: str, shard: int) -> Iterator[int]:
    """Yield as many numbers as a file says."""
    with open(path) as file:
        yield from range(int(file.read()))


class _Mortal:
    """Yields four numbers, and dies once, before the number 2."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Iterator[int]:
        for number in range(4):
            if number == 2 and not os.path.exists(self.path):
                with open(self.path, "x"):
                    pass
                self.say()
                time.sleep(0.1)  # until what came before is sent
                os.kill(os.getpid(), 9)
            yield number

    def say(self) -> None:
        """Say the last words."""


class WordsAndDeath(_Mortal):
    """Logs before it dies."""

    def say(self) -> None:
        import logging

        logging.getLogger("tests.mortal").warning("last words")


class Unknown(Exception):
    """Does not pickle, so the loop gets an error of farside's."""

    def __reduce__(self) -> Any:
        raise TypeError("not this one")


class DeathAndFailure(_Mortal):
    """Fails instead of a fifth item."""

    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        raise Unknown("here")


class Counted:
    """Numbers, and how often they were pickled."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.pickled = 0

    def __reduce__(self) -> Any:
        self.pickled += 1
        return Counted, tuple(self.numbers)

    def read(self, shard: int) -> list[int]:
        return [number + shard for number in self.numbers]

    def die_at_first(self, shard: int) -> Iterator[int]:
        if shard == 0 and self.numbers == [0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return iter(self.numbers)
