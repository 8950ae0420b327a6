"""What the workers of a soak yield: a seed decides what each item must be."""

from __future__ import annotations

import array
import os
import signal
import time
from pickle import PickleBuffer
from random import Random
from typing import TYPE_CHECKING, Any

import farside

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (0, 1, 100, 8191, 8192, 9000, 60_000, 300_000, 1_000_000)
LARGE = 20_000_000
FEW = 0.002
"""Share of the contents that are as large as `LARGE`."""


def payload(rng: Random, kind: str) -> Any:
    """Make the contents of an item."""
    if kind == "int":
        return rng.choice([rng.getrandbits(8), -rng.getrandbits(64), rng.getrandbits(500)])
    if kind == "text":
        return rng.choice(["", "ä€\N{GRINNING FACE}", "x"]) * rng.choice([1, 50, 5_000])
    if kind == "dict":
        return {f"k{n}": [rng.random(), None, True, {rng.getrandbits(9)}] for n in range(4)}
    return contents(rng)


def contents(rng: Random) -> bytes:
    """Make some bytes; few are large."""
    size = LARGE if rng.random() < FEW else rng.choice(SIZES)
    pattern = rng.randbytes(13)
    return (pattern * (size // 13 + 1))[:size]


KINDS = ("int", "text", "dict", "bytes", "bytearray", "view", "array", "numpy", "allocated")


def wrap(kind: str, made: Any) -> Any:
    """Turn contents into what is yielded. The parent compares its bytes."""
    if kind == "bytearray":
        return bytearray(made)
    if kind == "view":
        return memoryview(made)
    if kind == "array":
        return array.array("B", made)
    if kind == "numpy":
        import numpy as np  # not every worker can have it

        return np.frombuffer(made, np.uint8)
    if kind == "allocated":
        memory = farside.allocate(len(made))
        memory[:] = made
        return PickleBuffer(memory)
    return made


class Expected:
    """What a pass must give: each item is ``(number of the pass, index, kind, contents)``.

    Args:
        seed: of the iterable.
        number: of the pass.
        kinds: what may be yielded.
    """

    def __init__(self, seed: int, number: int, kinds: tuple[str, ...]) -> None:
        self._key = f"{seed}:{number}"
        self._number = number
        self._kinds = kinds

    def __getitem__(self, index: int) -> tuple[int, int, str, Any]:
        rng = Random(f"{self._key}:{index}")
        kind = rng.choice(self._kinds)
        return self._number, index, kind, payload(rng, kind)

    def check(self, index: int, item: Any) -> None:
        """Raise an AssertionError unless `item` is the one of an index."""
        *key, made = self[index]
        assert list(item[:3]) == key, f"{item[:3]} came instead of {key}"
        if isinstance(made, bytes):
            assert memoryview(item[3]).nbytes == len(made), f"item {index} has another size"
            assert bytes(item[3]) == made, f"item {index} has other contents"
        else:
            assert item[3] == made, f"item {index} is another one"


class Refuses:
    """Does not pickle."""

    def __reduce__(self) -> Any:
        raise ValueError("the soak wants this item not to pickle")


class Items:
    """Yields what `Expected` has, and may fail.

    Args:
        seed: what the items are made of.
        count: how many a pass has.
        kinds: which kinds may be yielded.
        fault: what happens in every pass, and before which item; or ``("", 0)``.
    """

    def __init__(
        self, seed: int, count: int, kinds: tuple[str, ...], fault: tuple[str, int]
    ) -> None:
        self._seed, self._count, self._kinds, self._fault = seed, count, kinds, fault
        self._passes = 0
        if fault[0] == "fn":
            raise LookupError("the soak wants fn to fail")

    def __iter__(self) -> Iterator[Any]:
        self._passes += 1
        if self._fault[0] == "iter":
            raise LookupError("the soak wants iter() to fail")
        return self._items(Expected(self._seed, self._passes, self._kinds))

    def _items(self, expected: Expected) -> Iterator[Any]:
        what, at = self._fault
        for index in range(self._count):
            if what and index == at:
                yield from come_to_grief(what)
            number, _, kind, made = expected[index]
            yield number, index, kind, wrap(kind, made)

    def add(self, one: int, other: int) -> int:
        """Add two numbers, so that there is a method to call."""
        return one + other


def come_to_grief(what: str) -> Iterator[Any]:
    """Fail in the way that `what` names."""
    if what == "next":
        raise LookupError("the soak wants next() to fail")
    if what == "pickle":
        yield Refuses()
    if what == "timeout":
        time.sleep(3600)
    if what in {"SIGKILL", "SIGTERM"}:
        os.kill(os.getpid(), getattr(signal, what))
        time.sleep(60)
    if what == "exit":
        os._exit(3)


def fail() -> None:
    """Fail, as an initializer."""
    raise LookupError("the soak wants the initializer to fail")
