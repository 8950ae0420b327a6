"""Data sets as PyTorch has them, without PyTorch."""

from __future__ import annotations

import os
import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from farside import get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterator


class Squares:
    """A data set with an index."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> int:
        return index * index

    def set_epoch(self, epoch: int) -> int:
        self.epoch = epoch
        return epoch


class TellsEpoch(Squares):
    """A data set whose samples are the epoch that it was told."""

    def __getitem__(self, index: int) -> int:
        return self.epoch


class StreamsEpoch:
    """The same without an index: each worker reads its part."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.epoch = -1

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        assert info is not None
        assert info.shard_count is not None
        return iter([self.epoch] * (self.length // info.shard_count))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class DrawsEpoch(Squares):
    """A data set that draws a number when it is told the epoch, and one for each sample."""

    def __getitem__(self, index: int) -> int:
        return random.getrandbits(30)

    def set_epoch(self, epoch: int) -> int:
        random.random()  # noqa: S311
        return super().set_epoch(epoch)


class MixesItself(Squares):
    """A data set that is in another order in each epoch, and seeds nothing for it."""

    def set_epoch(self, epoch: int) -> int:
        self.order = list(range(self.length))
        random.shuffle(self.order)
        return super().set_epoch(epoch)

    def __getitem__(self, index: int) -> int:
        return self.order[index]


class HasNoEpoch(Squares):
    """A data set that has none, and says so."""

    set_epoch: Any = None


class DiesOnce(Squares):
    """A data set that ends the process of its worker at one sample, once."""

    def __init__(self, length: int, at: int, mark: str) -> None:
        super().__init__(length)
        self.at = at
        self.mark = mark

    def __getitem__(self, index: int) -> int:
        if index == self.at and not os.path.exists(self.mark):
            with open(self.mark, "w"):
                os._exit(3)
        return super().__getitem__(index)


class Table(Squares):
    """A data set whose attributes have the names that many a class has."""

    dataset = "a table"

    def at(self, row: int) -> str:
        return f"row {row}"

    def all(self) -> str:
        return "all rows"


class ManyAtOnce(Squares):
    """A data set that makes a batch at once."""

    def __getitem__(self, index: int) -> int:
        raise AssertionError("it would be asked for each sample")

    def __getitems__(self, indices: list[int]) -> list[int]:
        return [index * index for index in indices]


class Refuses(Squares):
    """A data set with a sample that cannot be made."""

    def __getitem__(self, index: int) -> int:
        return index // (index - 4)


class Noise(Squares):
    """A data set whose transform draws from the generator of a module."""

    def __getitem__(self, index: int) -> Any:
        return index, random.random()  # noqa: S311


class Kinds(Squares):
    """A data set that tells of what type its indices are."""

    def __getitem__(self, index: int) -> Any:
        return type(index).__name__


class Unmeasured:
    """A data set with an index, whose length nobody knows."""

    def __getitem__(self, key: str) -> str:
        return key * 2


class Part:
    """A data set without an index, which reads its part."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        assert info is not None
        assert info.shard is not None
        assert info.shard_count is not None
        return iter(range(info.shard, self.length, info.shard_count))


class Itself(Part):
    """One that is its own iterator, and begins anew whenever it is asked for one."""

    def __iter__(self) -> Iterator[int]:
        self.items = super().__iter__()
        return self

    def __next__(self) -> int:
        return next(self.items)


class Once(Itself):
    """One that is its own iterator, and never begins anew."""

    items: Any = None

    def __iter__(self) -> Iterator[int]:
        return self if self.items is not None else super().__iter__()


WORKER_OF_TORCH = "torch.utils.data._utils.worker"


def pretend_torch() -> None:
    """Make the module in which PyTorch keeps what its workers are told."""
    sys.modules[WORKER_OF_TORCH] = ModuleType(WORKER_OF_TORCH)


def is_told(dataset: object) -> bool:
    """Tell whether PyTorch tells that data set."""
    info: Any = vars(sys.modules[WORKER_OF_TORCH])["_worker_info"]
    return info.dataset is dataset


class Told(Squares):
    """A data set that tells whether PyTorch tells it."""

    def __getitem__(self, index: int) -> Any:
        return is_told(self)


class ToldPart(Part):
    """The same, without an index."""

    def __iter__(self) -> Iterator[Any]:
        return (is_told(self) for _ in super().__iter__())


class Draws:
    """A sampler that gives its epoch and then draws, and that can be asked once."""

    epoch = asked = 0

    def __init__(self, numbers: range, count: int) -> None:
        self.numbers, self.count = numbers, count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        self.asked += 1
        if self.asked > 1:
            raise RuntimeError("a copy is asked once")
        return iter([self.epoch, *random.choices(self.numbers, k=self.count - 1)])  # noqa: S311

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class Halves(Draws):
    """A sampler that gives a rank its part, as a DistributedSampler does."""

    num_replicas = 2


class Unseeded(Draws):
    """A sampler with a generator that nobody can seed."""

    def __iter__(self) -> Iterator[int]:
        return iter(random.SystemRandom().choices(self.numbers, k=self.count))


class CountsEpochs(Draws):
    """A sampler that shuffles by a number that it counts itself, and is not told any."""

    set_epoch: Any = None

    def __iter__(self) -> Iterator[int]:
        order = list(self.numbers)
        random.Random(self.asked).shuffle(order)  # noqa: S311
        self.asked += 1
        return iter(order)


class ShufflesItself(Draws):
    """A sampler that shuffles its own list in place, by a generator that can be seeded."""

    set_epoch: Any = None

    def __init__(self, numbers: range, count: int) -> None:
        super().__init__(numbers, count)
        self.order = list(numbers)

    def __iter__(self) -> Iterator[int]:
        random.shuffle(self.order)
        return iter(self.order)


class UsedUp(Draws):
    """A sampler with an iterator that has one pass."""

    set_epoch: Any = None

    def __init__(self, numbers: range, count: int) -> None:
        super().__init__(numbers, count)
        self.order = iter(numbers)

    def __iter__(self) -> Iterator[int]:
        return self.order


class HasFewEpochs(Draws):
    """A sampler that has two epochs, both with the numbers as they are."""

    def __iter__(self) -> Iterator[int]:
        return iter([self.numbers, self.numbers][self.epoch])


class Pairs:
    """A batch sampler, as PyTorch's, with a sampler in it."""

    def __init__(self, sampler: Draws) -> None:
        self.sampler = sampler

    def __len__(self) -> int:
        return (len(self.sampler) + 1) // 2

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        numbers = list(self.sampler)
        for at in range(0, len(numbers), 2):
            yield tuple(numbers[at : at + 2])


class Miscounts:
    """A sampler whose length is wrong."""

    def __init__(self, count: int, told: int) -> None:
        self.count, self.told = count, told

    def __len__(self) -> int:
        return self.told

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


class ImportsLate(Squares):
    """A data set that imports NumPy where it draws: for a sample, or as it is told the epoch."""

    def __init__(self, length: int, where: str) -> None:
        super().__init__(length)
        self.where = where
        self.drawn = 0.0

    def draw(self, where: str) -> float:
        if where != self.where:
            return 0.0
        import numpy as np

        return float(np.random.rand())  # noqa: NPY002

    def set_epoch(self, epoch: int) -> int:
        self.drawn = self.draw("epoch")
        return epoch

    def __getitem__(self, index: int) -> Any:
        return index, self.drawn + self.draw("sample")


class ShufflesLate:
    """A sampler that imports NumPy where it shuffles."""

    def __len__(self) -> int:
        return 8

    def __iter__(self) -> Iterator[int]:
        import numpy as np

        return iter(np.random.permutation(8).tolist())  # noqa: NPY002
