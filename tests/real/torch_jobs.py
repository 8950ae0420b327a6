"""Data sets and loaders of PyTorch and torchdata, as shards."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info
from torchdata.stateful_dataloader import StatefulDataLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARDS, ITEMS = 2, 40


class Numbers(IterableDataset):  # type: ignore[misc]  # of type Any where torch is missing
    """It asks for its part, and tells where it is."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        numbers = range(info.id, ITEMS, info.num_workers)
        while self.at < len(numbers):
            self.at += 1
            time.sleep(0.01)
            yield torch.tensor(numbers[self.at - 1])
        self.at = 0

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


class Squares(Dataset):  # type: ignore[misc]  # of type Any where torch is missing
    """It has an index, notes what is asked for, and kills its process once."""

    def __init__(self, log: str, shard: int) -> None:
        self.log, self.shard = log, shard

    def __len__(self) -> int:
        return ITEMS

    def __getitem__(self, index: int) -> int:
        time.sleep(0.01)
        with open(self.log, "a+") as file:
            file.write(f"{self.shard} {index}\n")
            file.seek(0)
            count = len(file.readlines())
        if count == ITEMS:
            os.kill(os.getpid(), signal.SIGKILL)
        return index * index


def read(shard: int) -> Any:
    """Return what was written for torchdata's loader."""
    return Numbers()


def load(shard: int) -> Any:
    """Return a loader that makes batches of it."""
    return StatefulDataLoader(Numbers(), batch_size=2)


def load_shuffled(log: str, shard: int) -> Any:
    """Return a loader with a sampler, whose state has that of a generator: a tensor."""
    generator = torch.Generator()
    generator.manual_seed(shard)
    return StatefulDataLoader(Squares(log, shard), shuffle=True, generator=generator, batch_size=2)


class Pictures(Dataset):  # type: ignore[misc]  # of type Any where torch is missing
    """A data set with an index, whose samples are tensors."""

    def __len__(self) -> int:
        return 23

    def __getitem__(self, index: int) -> Any:
        return torch.full((2, 3), float(index)), index


class Threads(Pictures):
    """It tells with how many threads the worker computes."""

    def __getitem__(self, index: int) -> Any:
        return torch.get_num_threads()


class Swap:
    """When it is pickled, a tensor beside it gets other memory."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __getstate__(self) -> dict[str, Any]:
        self.tensor.data = torch.zeros(3)
        return {}


def swapped() -> Iterator[Any]:
    tensor = torch.ones(1_000_000)
    yield [tensor, Swap(tensor)]


class SharesEpoch(Dataset):  # type: ignore[misc]  # of type Any where torch is missing
    """A data set whose epoch lies in shared memory, as that of a streaming one of Hugging Face."""

    def __init__(self) -> None:
        self._epoch = torch.tensor(0).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        self._epoch += epoch - self._epoch

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        return int(self._epoch)


class Told(Pictures):
    """It tells which worker it is, by PyTorch."""

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        return index, info and (info.id, info.num_workers)


class Seeded(Pictures):
    """It tells what PyTorch draws, and by how many calls all its generators were seeded so far."""

    def __init__(self) -> None:
        self.calls = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.calls, seed = 0, torch.manual_seed

        def manual_seed(number: int) -> Any:
            self.calls += 1
            return seed(number)

        torch.manual_seed = manual_seed

    def __getitem__(self, index: int) -> Any:
        return torch.rand(()).item(), torch.initial_seed(), self.calls


class Watched(torch.Tensor):  # type: ignore[misc]  # of type Any where torch is missing
    """A batch of it is whether PyTorch has put the batch into memory that processes share."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = super().__torch_function__(func, types, args, kwargs)
        if func is torch.stack:
            return made.as_subclass(torch.Tensor).is_shared()
        return made


def collate(samples: Any) -> Any:
    """Make a batch as many a user's function does."""
    return default_collate([each for each in samples if each is not None])


def read_collated(shard: int) -> Iterator[Any]:
    yield collate([Collated()[0]])


class Collated(Pictures):
    """Its samples are watched as they become a batch."""

    def __getitem__(self, index: int) -> Any:
        assert get_worker_info() is not None
        return torch.ones(2).as_subclass(Watched)
