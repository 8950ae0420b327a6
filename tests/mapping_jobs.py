"""Functions that the tests of maps and of the executor run in workers."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from farside import get_worker_info
from farside.testing.jobs import RefusesToLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def square(number: int) -> int:
    return number * number


def same(item: Any) -> Any:
    return item


def leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(60,)).start()  # the process waits for it in the end


def times(made: int, number: int) -> int:
    return made * number


def ten() -> int:
    return 10


def fail_at_threes(number: int) -> int:
    if number % 3 == 0:
        raise ValueError(number)
    return number


def lock_at_one(number: int) -> object:
    return threading.Lock() if number == 1 else number


def stop_at_one(number: int) -> int:
    if number == 1:
        raise StopIteration
    return number


def count_to(number: int) -> Iterator[tuple[int, int]]:
    for each in range(number):
        yield number, each


def count_to_remainder(number: int) -> Iterator[tuple[int, int]]:
    for each in range(number % 4):
        yield number, each


def count_to_two(number: int) -> Iterator[tuple[int, int]]:
    for each in range(number):
        if each == 2:
            raise KeyError(number)
        yield number, each


def die_at_seven(number: int) -> int:
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_at_some(numbers: frozenset[int], number: int) -> int:
    """End the process at some of the inputs. The others take some 100 ns."""
    if number in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class ForksAt:
    """Has a child at one input that comes back as this process does. The others take 100 ns.

    Or more, if they have steps. What the child is called for then, it writes to the path.
    """

    def __init__(self, forks: int, path: str, steps: int = 0) -> None:
        self.forks, self.path, self.steps, self.is_child = forks, path, range(steps), False

    def __call__(self, number: int) -> int:
        for _ in self.steps:
            pass
        if self.is_child:
            with Path(self.path).open("a") as file:
                file.write(f"{number} ")
        if number == self.forks:
            child = os.fork()
            if child:
                os.waitpid(child, 0)
            else:
                self.is_child = True
        return number


class StopsAsPickled:
    def __reduce__(self) -> Any:
        raise StopIteration


def stop_as_pickled(_: object) -> StopsAsPickled:
    return StopsAsPickled()


class NeedsMemory:
    """Stands for one that is too large to be pickled."""

    def __reduce__(self) -> Any:
        raise MemoryError


def make_too_much(number: int) -> Any:
    return NeedsMemory() if number == 1 else number


class MakesTooMuch:
    def __iter__(self) -> Iterator[Any]:
        return map(make_too_much, range(3))

    def make_too_much(self) -> Any:
        return make_too_much(1)


def wait_at(waits: int, path: str, number: int) -> int:
    """Wait at one input until there is a file. The others take some 100 ns."""
    if number == waits:
        deadline = time.monotonic() + 20
        while not os.path.exists(path):
            if time.monotonic() > deadline:
                raise TimeoutError(path)
            time.sleep(0.01)
    return number


def die_once(path: str, number: int) -> int:
    if number == 7 and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_in_the_middle(number: int) -> Iterator[tuple[int, int]]:
    for each in range(number):
        if (number, each) == (5, 3):
            time.sleep(0.05)  # so that the results before it are sent
            os.kill(os.getpid(), signal.SIGKILL)
        yield number, each


def sleep_at_three(number: int) -> int:
    if number == 3:
        time.sleep(60)
    return number


def nap(number: int) -> int:
    time.sleep(0.002)
    return number


def wait_for_file(path: str) -> str:
    end = time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.001)
    return path if os.path.exists(path) else "it has waited in vain"


def make(folder: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(folder)


def is_deadly(number: int, every: int) -> bool:
    return number % every == every // 2


def nap_or_die(folder: str, every: int, number: int) -> int:
    """Die at some inputs, and write a byte for each time."""
    if is_deadly(number, every):
        with Path(folder, str(number)).open("ab", buffering=0) as file:
            file.write(b"x")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.001)
    return number


def nap_with(contents: bytes) -> int:
    time.sleep(0.02)
    return len(contents)


class Block:
    """Large contents that cross beside the pickle, as those of arrays do."""

    def __init__(self, data: Any) -> None:
        self.data = memoryview(data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Block, (pickle.PickleBuffer(self.data),)

    def __len__(self) -> int:
        return len(self.data)

    def add_one(self) -> int:
        self.data[:] = bytes([self.data[0] + 1]) * len(self.data)
        return self.data[0]

    @property
    def whole(self) -> bool:
        return self.data == bytes([self.data[0]]) * len(self.data)


def keep_changed(block: Block) -> tuple[int, bool]:
    """Change a block, keep it for good, and tell whether all that were kept are as they were."""
    KEPT.append(block)
    return block.add_one(), all(each.whole for each in KEPT)


KEPT: list[Block] = []


def change_and_die_once(path: str, block: Block) -> int:
    number = block.add_one()
    if number == 8 and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def tell(_: object) -> Any:
    info = get_worker_info()
    assert info is not None
    return info.shard, info.shard_count, info.shard_seed, info.epoch


def add_to(values: list[int]) -> list[int]:
    values.append(0)
    return values


def count_calls() -> int:
    """Return how many times this worker has called it."""
    CALLS.append(None)
    return len(CALLS)


CALLS: list[None] = []


def fail() -> None:
    raise OSError("no")


def sleep_with(seconds: float, contents: bytes) -> int:
    time.sleep(seconds)
    return len(contents)


def fail_after_a_refusal(number: int) -> int:
    """Swallow that NumPy refuses to load in a subinterpreter, and fail for another reason."""
    with suppress(ImportError):
        import_module("numpy")
    if number == 1:
        raise ValueError("bad row")
    return number


def hang_or_fail(begun: Path, task: Any) -> Any:
    if task == "hang":
        begun.touch()
        time.sleep(1000)
    if task == "bad":
        while not begun.exists():
            time.sleep(0.01)
        raise ValueError("bad")
    return task


def touch(path: Path) -> str:
    path.touch()
    return path.name


def slow_results(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.2)
        logging.getLogger("farside.tests").warning("result %d", number)
        yield number


def die_in_nth_start(path: Path, number: int) -> None:
    """As if there were no memory just then; an initializer."""
    with path.open("a") as file:
        file.write("x")
    if path.stat().st_size == number:
        os._exit(9)


def wait_in_third_start(folder: Path) -> int:
    """Wait for the file "go on"; a setup."""
    third = len(os.listdir(folder)) == 2
    (folder / str(os.getpid())).touch()
    if third:
        wait_for_file(str(folder / "go on"))
    return 1


def times_or_die(made: int, number: int) -> int:
    if not number:
        os._exit(3)
    return made * number


def raise_after_call(number: int) -> int:
    """Let something raise in farside's own code, after this call, as a signal handler may."""
    from farside._worker import maker

    def struck() -> NoReturn:
        raise TimeoutError

    vars(maker)["monotonic"] = struck
    return number


def sleep_for_a_minute() -> None:
    """Sleep in short steps: a subinterpreter can be ended in between."""
    for _ in range(6000):
        time.sleep(0.01)


def refuse_at_twos(number: int) -> object:
    """Return what the parent cannot load, for each third input."""
    return RefusesToLoad() if number % 3 == 2 else [number]


def count_and_refuse(number: int) -> Iterator[object]:
    yield [number, 0]
    if number % 3 == 2:
        yield RefusesToLoad()
    yield [number, 1]


def hide_at_two(number: int) -> dict[str, Any]:
    """Return a number, and at 2 an object of a class that only this worker can import."""
    if number != 2:
        return {"found": [number]}
    module = ModuleType("only_in_the_worker")
    exec("class Hidden:\n    pass", vars(module))  # noqa: S102  in a module of its own
    sys.modules[module.__name__] = module
    return {"found": module.Hidden()}


class RefusesError(Exception):
    """Nobody can look at its cause, or set it."""

    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise ValueError("not for you")


def refuse() -> NoReturn:
    raise RefusesError("on purpose")


class Unloadable:
    def __init__(self, _: int) -> None:
        pass

    def __reduce__(self) -> tuple[Callable[[], NoReturn], tuple[()]]:
        return refuse, ()
