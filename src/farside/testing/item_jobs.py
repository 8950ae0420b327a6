"""Iterables with the items that the contract suites check. Workers import this, see `jobs`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pickle import PickleBuffer
from typing import Any


def reuse_one_list(count: int) -> Iterator[list[int]]:
    item = [0]
    for number in range(count):
        item[0] = number
        yield item


class Text(str):
    """A string of another class."""

    __slots__ = ()


class Texts(dict[str, Any]):
    """A dictionary of another class."""


def unchanged() -> Iterator[Any]:
    """Yield small items of many kinds, each of them a new object."""
    for number in range(20):
        text = f"text {number}"
        yield {"number": number, "text": text}
        yield {"list": [number], "dict": {text: [number]}, "none": None}
        yield [number, text, number % 2 == 0, None, number / 7, -0.0, float("inf")]
        yield [[number], [[text]]]
        yield (number, text)
        yield (number, [text], bytearray(b"abc"))
        yield [bytearray(b"a"), b"bytes", 1j, 1 << 63, -(1 << 63), 10**50]
        yield {number: text, (number, text): 0, None: 1, b"key": 2, 0.5: 3}
        yield {"\udc80": "\ud800", "é": "\U0001f600", "": "x" * 3000, "y" * 3000: ""}
        yield Texts(text=Text(text))
        yield {Text(text): Text(text)}
        yield [Text(text), {number}, frozenset({text}), range(number)]
        yield from (number, text, None, True, 0.5, "", (), [], {}, b"", bytearray(b"a"))


def change(item: Any) -> None:
    """Change what can be changed in an item."""
    if isinstance(item, (list, tuple)):
        for each in item:
            change(each)
    if isinstance(item, dict):
        for each in item.values():
            change(each)
        item["changed"] = ["changed"]
    elif isinstance(item, list):
        item[:] = ["changed", item]
    elif isinstance(item, bytearray):
        item[:] = b"changed"
    elif isinstance(item, set):
        item.add("changed")


def changing() -> Iterator[Any]:
    """Yield the same as `unchanged`, and change each item as soon as the next one is requested."""
    for item in unchanged():
        yield item
        change(item)


def reuse_one_buffer(count: int, nbytes: int) -> Iterator[Any]:
    item = bytearray(nbytes)
    for number in range(count):
        item[:] = bytes([number % 256]) * nbytes
        yield PickleBuffer(item)


class Blocks:
    """Yields blocks of bytes: block k is filled with k % 256."""

    def __init__(self, count: int, nbytes: int) -> None:
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            yield bytes([number % 256]) * self.nbytes


class Buffers(Blocks):
    """Yields the same blocks, in buffers that pickle keeps out of band."""

    def __iter__(self) -> Iterator[Any]:
        for block in super().__iter__():
            yield PickleBuffer(bytearray(block))


class Bursts:
    """Yields some items at once, then sleeps for longer than any test."""

    def __init__(self, count: int, nbytes: int = 0) -> None:
        self.count = count
        self.nbytes = nbytes

    def __iter__(self) -> Iterator[Any]:
        for number in range(self.count):
            yield bytes([number]) * self.nbytes if self.nbytes else number
        for _ in range(10_000):  # in short steps, so that a subinterpreter can be ended
            time.sleep(0.01)


def mixed(count: int) -> Iterator[Any]:
    for number in range(count):
        yield mixed_item(number)


def mixed_item(number: int) -> Any:
    """Make an item of a kind that depends on the number. It can be compared with ``==``."""
    kinds: tuple[Any, ...] = (
        number, None, f"text {number}", {"n": number}, number * 0.5, "é" * (number % 2000),
        bytes([number % 256]) * 9000, [number] * 50, bytearray(70_000), 1 << 70, ("x" * 12_000, {}),
    )  # fmt: skip
    return kinds[number * 31 % 97 % len(kinds)]
