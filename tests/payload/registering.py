"""A class that pickle refuses, with reducers for it, for workers."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NoReturn

import farside

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 20_000


class Frame:
    """It refuses to be pickled, as objects of C libraries do."""

    def __init__(self, contents: Any) -> None:
        self.contents = contents

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a Frame")


class SubFrame(Frame):
    """One of a subclass."""


def reduce_frame(frame: Frame) -> tuple[Any, ...]:
    return Frame, (pickle.PickleBuffer(frame.contents),)


def register() -> None:
    farside.register_reducer(Frame, reduce_frame)


class Frames:
    """Yields frames, and takes them."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.count):
            yield Frame(bytearray([number]) * SIZE)

    def first(self, frame: Frame) -> int:
        contents: memoryview = frame.contents
        return contents[0]

    def make(self) -> Frame:
        return Frame(bytearray([77]))


class Late(Frames):
    """Registers once it has yielded something."""

    def __iter__(self) -> Iterator[Any]:
        yield "nothing"
        register()
        yield from super().__iter__()
