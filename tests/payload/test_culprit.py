"""Which part of a value is named when it does not pickle."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from farside._payload.culprit import find


class Refuses:
    def __reduce__(self) -> str:
        raise TypeError("refuses to pickle")


@dataclass
class Data:
    part: Any


class Slots:
    __slots__ = ("__hidden", "part")

    def __init__(self, part: object) -> None:
        self.part = part
        self.__hidden = 1


class Leaves(Slots):
    """Has more than it pickles."""

    def __init__(self, part: object) -> None:
        super().__init__(1)
        self.lock, self.sent = threading.Lock(), part

    def __getstate__(self) -> dict[str, Any]:
        return {"sent": self.sent}


class Reduced:
    def __init__(self, part: object) -> None:
        self.part = part

    def __reduce__(self) -> tuple[Any, ...]:
        return Reduced, (self.part,)


class Grows:
    """Is made of a new one of its kind, without end."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Grows, (), {"more": Grows(), "bad": Refuses()}


class Hostile(Refuses):
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit


BAD = Refuses()
BY = f": {__name__}.Refuses"
PATHS: dict[str, tuple[Any, str | None]] = {
    "itself": (BAD, BY),
    "list": ([1, [2, BAD]], "[1][1]" + BY),
    "dict": ({"a": 1, "b": {3: BAD}}, "['b'][3]" + BY),
    "ordered": (OrderedDict(a=BAD), "['a']" + BY),
    "tuple": ((1, BAD), "[1]" + BY),
    "set": ({1, BAD}, " (an element)" + BY),
    "key": ({1: 2, BAD: 3}, " (a key)" + BY),
    "odd key": ({(1, 2): BAD}, "[a tuple]" + BY),
    "long key": ({"k" * 999: BAD}, f"['{'k' * 59}…]{BY}"),
    "deque": (deque([1, BAD]), "[1]" + BY),
    "dataclass": (Data({"frame": BAD}), ".part['frame']" + BY),
    "slots": (Slots(Data(BAD)), ".part.part" + BY),
    "state": (Leaves(BAD), ".sent" + BY),
    "reduced": (Reduced(BAD), ".__reduce_ex__(5)[1][0]" + BY),
    "partial": (partial(print, BAD), ".args[0]" + BY),
    "lock": ([threading.Lock()], "[0]: _thread.lock"),
    "the last of many": ([*range(10_000), BAD], "[10000]" + BY),
    "beside a lambda": ([lambda: 1, BAD], "[1]" + BY),
    "nothing": ([1, 2], None),
}


@pytest.mark.parametrize(("value", "path"), PATHS.values(), ids=PATHS)
def test_the_path_to_the_part(value: Any, path: str | None) -> None:
    assert find(value, "item", TypeError()) == (path and f"item{path}")


def test_iterators_are_not_consumed() -> None:
    generator = (each for each in "ab")
    iterator = iter([1, BAD])
    find([generator, iterator, map(str, iterator)], "item", TypeError())
    assert next(generator) == "a"
    assert next(iterator) == 1


def test_it_never_raises_and_always_ends() -> None:
    nested: Any = BAD
    for _ in range(500):
        nested = [nested, {}]
    cycle: list[Any] = [BAD]
    cycle.insert(0, cycle)
    begun = time.process_time()
    for value in (nested, cycle, Hostile(), [Hostile()], Grows(), [[BAD] * 100] * 100):
        find(value, "item", TypeError())
    assert find(cycle, "item", RecursionError()) is None
    assert time.process_time() - begun < 30
