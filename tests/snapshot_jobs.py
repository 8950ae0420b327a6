"""Iterables that tell where they are, as torch's convention has it, for tests of snapshots."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator


class Counting:
    """Yields pairs of a shard and a number. It tells by the way how often it was loaded, and where.

    It is iterable and its own iterator: so it can stand for both.
    """

    why = ""  # what is said of a state that does not serve

    def __init__(self, log: str, shard: int = 0, length: int = 40, pause: float = 0.006) -> None:
        self.log, self.shard, self.length, self.pause = log, shard, length, pause
        self.at = 0
        self.note("made")

    def note(self, what: str) -> None:
        with open(self.log, "a") as file:
            file.write(f"{self.shard} {what}\n")

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.at == self.length:
            raise StopIteration
        time.sleep(self.pause)
        self.at += 1
        self.note(f"item {self.at - 1}")
        return self.item()

    def item(self) -> Any:
        return self.shard, self.at - 1

    def state_dict(self) -> Any:
        return {"at": self.at}

    def load_state_dict(self, state: Any) -> None:
        self.at = state["at"]
        self.note(f"loaded {self.at}")


class Numbered(Counting):
    """Yields what `shard_jobs.pairs` does."""

    def __init__(self, log: str, shard: tuple[int, int]) -> None:
        super().__init__(log, *shard, pause=0.003)


class Iterable(Counting):
    """The iterable has the state, and its iterator none, as those of Hugging Face."""

    def __iter__(self) -> Iterator[Any]:
        while self.at < self.length:
            yield next(self)


class Made:
    """Is kept, and makes iterators that have the state."""

    def __init__(self, log: str) -> None:
        self.log = log

    def __iter__(self) -> Iterator[Any]:
        return Counting(self.log)


class Drawing(Counting):
    """Draws numbers, and its state is that of a generator of them: a tuple, that JSON has not."""

    def __init__(self, log: str, shard: int) -> None:
        super().__init__(log, shard)
        self.random = random.Random(shard)  # noqa: S311  nothing is kept secret

    def item(self) -> Any:
        return self.shard, self.at - 1, self.random.random()

    def state_dict(self) -> Any:
        return self.at, self.random.getstate()

    def load_state_dict(self, state: Any) -> None:
        self.at, drawn = state
        self.random.setstate(drawn)
        self.note(f"loaded {self.at}")


class At:
    """A number that is no plain value."""

    def __init__(self, at: int) -> None:
        self.at = at


class Pickled(Counting):
    """Its state has to be pickled."""

    def state_dict(self) -> Any:
        return At(self.at)

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict({"at": state.at})


class Mortal(Counting):
    """Dies once, at an item."""

    def item(self) -> Any:
        with open(self.log) as file:
            if self.at == 30 and "dies" not in file.read():
                self.note("dies")
                time.sleep(0.1)  # what was made is sent
                import os

                os._exit(7)
        return super().item()


class MortalPickled(Mortal, Pickled):
    """Dies, and has to be pickled."""


class Wrong(Counting):
    """Its state is one item late."""

    why = "differs from before: it is ("

    def state_dict(self) -> Any:
        return {"at": self.at - 1}


class WrongSets(Wrong):
    """And its items cannot be compared."""

    why = "cannot be compared"

    def item(self) -> Any:
        return *super().item(), {"a", "b", "c"}


OTHERS = WeakSet[Any]()


class Alone(Wrong):
    """Notes how many others there are when it is made."""

    def __init__(self, log: str, shard: int = 0) -> None:
        super().__init__(log, shard)
        self.note(f"beside {len(OTHERS)}")
        OTHERS.add(self)


class Pairs(Wrong):
    """The same, and two items each are the same: so the first after a state may be right."""

    def item(self) -> Any:
        return self.shard, (self.at - 1) // 2


class Overshot(Counting):
    """Its state is behind its last item."""

    why = "ended after"

    def state_dict(self) -> Any:
        return {"at": self.length}


class Failing(Counting):
    """Cannot tell where it is."""

    def state_dict(self) -> Any:
        raise LookupError("nowhere")


class Large(Counting):
    """Tells more than is kept."""

    def state_dict(self) -> Any:
        return {"at": self.at, "text": "x" * 100_000}


class Unpicklable(Counting):
    def state_dict(self) -> Any:
        return {"at": self.at, "function": lambda: None}


class Unloadable(Counting):
    why = "(LookupError: no such place: {'at': "

    def load_state_dict(self, state: Any) -> None:
        self.note("loaded in vain")
        raise LookupError(f"no such place: {state}")


class MadeWrong(Made):
    def __iter__(self) -> Iterator[Any]:
        return Wrong(self.log)


class MadeUnloadable(Made):
    def __iter__(self) -> Iterator[Any]:
        return Unloadable(self.log)


def slow(count: int, pause: float, shard: int) -> Iterator[tuple[int, int]]:
    """Yield pairs, and log each."""
    logger = logging.getLogger("slow")
    for number in range(count):
        time.sleep(pause)
        logger.warning("item %d", number)
        yield shard, number
