"""Data sets without an index that tell where they are, for tests of `farside.torch`."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from farside import get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = 120  # samples of all parts


class Stream:
    """Yields the numbers of its part, each with one that is drawn, and notes what it does.

    What was loaded into it stays there, as in many such classes: so later passes must not see it.
    """

    def __init__(self, log: str, *, pause: float = 0.004) -> None:
        self.log, self.pause = log, pause
        self.start = self.at = 0

    def note(self, what: str) -> None:
        with open(self.log, "a") as file:
            file.write(f"{what}\n")

    def __iter__(self) -> Iterator[Any]:
        numbers, draws = self.part()
        yield from self.items_of(numbers, draws=draws)

    def part(self) -> tuple[list[int], bool]:
        """Return the numbers of a part, and whether to draw from generators that are its own."""
        info = get_worker_info()
        assert info is not None
        numbers = range(info.shard or 0, LENGTH, info.shard_count or 1)
        return [*numbers], info.backend != "inline"

    def items_of(self, numbers: list[int], *, draws: bool) -> Iterator[Any]:
        self.at = self.start
        for number in numbers[self.start :]:
            time.sleep(self.pause)
            self.at += 1
            self.note(f"{number}")
            yield number, random.random() if draws else 0  # noqa: S311

    def state_dict(self) -> Any:
        return {"at": self.at}

    def load_state_dict(self, state: Any) -> None:
        self.start = state["at"]
        self.note(f"loaded {self.start}")


class Walks:
    """Its iterators have the state."""

    def __init__(self, log: str) -> None:
        self.log = log

    def __iter__(self) -> _Walk:
        return _Walk(self.log)


class _Walk(Stream):
    """An iterator."""

    items: Any = None

    def __iter__(self) -> _Walk:
        return self

    def __next__(self) -> Any:
        if self.items is None:
            self.items = super().__iter__()
        return next(self.items)


class Orders(Stream):
    """Draws its order when an iterator is made, and its state does not tell it."""

    def __iter__(self) -> Iterator[Any]:
        numbers, draws = self.part()
        if draws:
            random.shuffle(numbers)
        return self.items_of(numbers, draws=False)


class Uncopied(Stream):
    """Cannot be copied, unless it is sent."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise ValueError("only one")


class Late(Stream):
    """Its state is one sample late."""

    def state_dict(self) -> Any:
        return {"at": max(0, self.at - 1)}


class Collates(Stream):
    """What collates is a method of it, and uses what an epoch and its iterator have set."""

    epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def collate(self, samples: Any) -> Any:
        return self.epoch, self.at, samples


class Keeps(Stream):
    """Goes on where it is, and begins anew once it has come to its end."""

    def items_of(self, numbers: list[int], *, draws: bool) -> Iterator[Any]:
        while self.at < len(numbers):
            time.sleep(self.pause)
            self.at += 1
            self.note(f"{numbers[self.at - 1]}")
            yield numbers[self.at - 1], random.random() if draws else 0  # noqa: S311
        self.at = 0

    def load_state_dict(self, state: Any) -> None:
        self.at = state["at"]
        self.note(f"loaded {self.at}")


class Fails(Stream):
    """Cannot tell where it is."""

    def state_dict(self) -> Any:
        raise LookupError("nowhere")


class Dies(Stream):
    """Dies once, at a sample of the first part."""

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            if item[0] == 2 * LENGTH // 3:
                with open(self.log) as file:
                    died = "dies" in file.read()
                if not died:
                    self.note("dies")
                    time.sleep(0.1)  # what was made is sent
                    os._exit(7)
            yield item


class Itself(Stream):
    """Says that it is a copy of itself."""

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class Copied(Stream):
    """Is copied in a way of its own."""

    def __deepcopy__(self, memo: Any) -> Any:
        return Copied(self.log, pause=self.pause)


class Wraps:
    """Has all attributes of the data set that is in it, the way to copy that among them."""

    def __init__(self, log: str) -> None:
        self.inner = Copied(log, pause=0)

    def __getattr__(self, name: str) -> Any:
        if name == "inner" or name.startswith("__set"):
            raise AttributeError(name)  # it is just unpickled
        return getattr(self.inner, name)

    def __iter__(self) -> Iterator[Any]:
        yield from (("wrapped", *item) for item in self.inner)

    def state_dict(self) -> Any:
        return self.inner.state_dict()

    def load_state_dict(self, state: Any) -> None:
        self.inner.load_state_dict(state)


class Struck(Stream):
    """A signal comes while it is copied."""

    def __deepcopy__(self, memo: Any) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        raise ValueError("only one")


class Ring:
    """Refers to itself, so that it goes only when Python looks for cycles."""

    there: ClassVar[WeakSet[Ring]] = WeakSet()

    def __new__(cls) -> Ring:
        made = super().__new__(cls)
        cls.there.add(made)
        return made

    def __init__(self) -> None:
        self.ring = self


class Rings(Stream):
    """Has a part that refers to itself."""

    def __init__(self, log: str) -> None:
        super().__init__(log, pause=0)
        self.ring = Ring()
