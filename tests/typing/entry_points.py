"""What type checkers make of the entry points. Nothing here runs: mypy and pyright read it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future
from contextlib import aclosing, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import farside
from farside import (
    Availability,
    FarsideError,
    RemoteIterable,
    SubinterpreterIterable,
    SubprocessIterable,
    WorkerExecutor,
    allocate,
    available_backends,
    iterate_in_subinterpreter,
    iterate_in_subprocess,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
    register_backend,
)
from farside.testing import BackendContract, Recording, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence

    import numpy as np
    from typing_extensions import assert_type  # noqa: TC004  nothing here runs


class Samples:
    """A class with ``__iter__``."""

    def __init__(self, path: str = "") -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, int]]:
        yield {self.path: 1}


def generate() -> Generator[str, None, None]:
    yield "text"


def count(start: int, *, step: int = 1) -> Iterator[int]:
    yield start + step


def make_list() -> list[tuple[int, str]]:
    return []


def sources() -> None:
    """Whatever makes an iterable decides on the type of the items."""
    assert_type(iterate_in_worker(Samples), RemoteIterable[dict[str, int]])
    assert_type(iterate_in_worker(generate), RemoteIterable[str])
    assert_type(iterate_in_worker(make_list), RemoteIterable[tuple[int, str]])
    assert_type(iterate_in_worker(partial(Samples, "path")), RemoteIterable[dict[str, int]])
    assert_type(iterate_in_worker(partial(count, 3, step=2)), RemoteIterable[int])
    assert_type(iterate_in_worker(partial(range, 3)), RemoteIterable[int])
    assert_type(iterate_in_worker(lambda: [1.5]), RemoteIterable[float])
    assert_type(iterate_in_worker(Samples("path").__iter__), RemoteIterable[dict[str, int]])
    assert_type(iterate_in_worker(list[int]), RemoteIterable[int])


def entry_points() -> None:
    assert_type(iterate_in_subprocess(generate), SubprocessIterable[str])
    assert_type(iterate_in_subinterpreter(generate), SubinterpreterIterable[str])
    iterate_in_subprocess(
        generate,
        buffer_size=3,
        initializer=[generate, Samples],
        mp_context=multiprocessing.get_context("spawn"),
        timeout=3,
        daemon=True,
    )
    iterate_in_worker(generate, backend="inline", initializer=generate, mp_context="fork")
    iterate_in_subinterpreter(generate, fallback=None, timeout=0.5, arena_bytes=0)


def read(path: Path, *, stop: int | None = None) -> Iterator[bytes]:
    yield path.read_bytes()[:stop]


def read_with(model: Model, path: Path) -> list[bytes]:
    return []


def either(numbers: Sequence[int] | int) -> None:
    assert_type(iterate_in_workers(range, numbers, 2), RemoteIterable[int])


def shards() -> None:
    """The shards suit the function, after what setup has made."""
    assert_type(
        iterate_in_workers(read, [Path("a")], 2, shuffle_shards=True), RemoteIterable[bytes]
    )
    assert_type(iterate_in_workers(partial(read, stop=3), (Path("a"),), 2), RemoteIterable[bytes])
    assert_type(iterate_in_workers(range, [3, 1], num_workers=2, seed=3), RemoteIterable[int])
    assert_type(iterate_in_workers(range, 3, 2, rank=1, world_size=2), RemoteIterable[int])
    assert_type(iterate_in_workers(lambda path: [path], ["a"], 2), RemoteIterable[str])
    assert_type(iterate_in_workers(read_with, [Path("a")], 2, setup=Model), RemoteIterable[bytes])
    assert_type(iterate_in_workers(Model.read, ["a"], 2, setup=Model), RemoteIterable[bytes])
    assert_type(iterate_in_workers(Model.number, 3, 2, setup=Model), RemoteIterable[int])


def calls() -> None:
    """The arguments suit what is submitted, after what setup has made."""
    with WorkerExecutor(2, setup=Model) as executor:
        assert_type(executor.submit(Model.predict, "3"), Future[list[float]])
        assert_type(executor.submit(read_with, Path("a")), Future[list[bytes]])
        some: WorkerExecutor[object] = executor  # what takes any object takes that, too
        assert_type(some.submit(repr), Future[str])
    with WorkerExecutor(2) as executor:
        assert_type(executor.submit(count, 3, step=2), "Future[Iterator[int]]")
        assert_type(executor.submit(pow, 2, 5), Future[int])
        assert_type(executor.submit(partial(count, step=2), 3), "Future[Iterator[int]]")
        assert_type(executor.submit(Samples, "path"), Future[Samples])
        assert_type(executor.submit(lambda: 3), Future[int])
        assert_type(list(executor.map(len, ["a"], chunksize=2)), list[int])


def maps() -> None:
    """What the function returns is a result, or holds the results."""
    assert_type(map_in_workers(count, [1], 2), "RemoteIterable[Iterator[int]]")
    assert_type(map_in_workers(count, [1], 2, flat=True, wait=False), RemoteIterable[int])
    assert_type(map_in_workers(len, ["a"], 2, flat=False, buffer_size=3), RemoteIterable[int])
    assert_type(map_in_workers(len, ["a"], 2, on_error="skip"), RemoteIterable[int])
    returned = map_in_workers(len, ["a"], 2, on_error="return")
    assert_type(returned, RemoteIterable[int | FarsideError])
    returned = map_in_workers(count, [1], 2, flat=True, on_error="return", wait=False)
    assert_type(returned, RemoteIterable[int | FarsideError])


class Model:
    def predict(self, text: str) -> list[float]:
        return [float(text)]

    def read(self, text: str) -> Iterator[bytes]:
        yield text.encode()

    def number(self, shard: int) -> list[int]:
        return [shard]


async def texts() -> AsyncIterator[str]:
    yield "text"


def inputs() -> None:
    """The inputs suit the function, after what setup has made."""
    assert_type(map_in_workers(int, ["1"], 2), RemoteIterable[int])
    assert_type(map_in_workers(abs, [1, -2], 2), RemoteIterable[int])
    assert_type(map_in_workers(str, (each for each in [1, "a"]), 2), RemoteIterable[str])
    assert_type(map_in_workers(lambda number: number + 1, range(3), 2), RemoteIterable[int])
    assert_type(map_in_workers(partial(count, step=2), [1], 2, flat=True), RemoteIterable[int])
    predicted = map_in_workers(Model.predict, texts(), 2, setup=Model, in_order=False)
    assert_type(predicted, RemoteIterable[list[float]])
    read = map_in_workers(Model.read, {"a": 1}, 2, setup=partial(Model), flat=True, retries=1)
    assert_type(read, RemoteIterable[bytes])
    returned = map_in_workers(
        Model.predict, ["a"], 2, setup=Model, on_error="return", task_timeout=3
    )
    assert_type(returned, RemoteIterable[list[float] | FarsideError])


def wrong_arguments() -> None:
    """What cannot work is an error; an unused ignore would be one too."""
    iterate_in_worker(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    iterate_in_worker(count)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    iterate_in_worker(generate())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    iterate_in_worker(generate, buffer_size="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    iterate_in_subprocess(generate, fallback=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    map_in_workers(len, [1], 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    map_in_workers(Model.predict, ["a"], 2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    map_in_workers(len, ["a"], 2, setup=Model)  # type: ignore[arg-type, misc]  # pyright: ignore[reportCallIssue, reportArgumentType]
    map_in_workers(len, ["a"], 2, flat=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    iterate_in_workers(read, ["a"], 2)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    iterate_in_workers(read_with, [Path("a")], 2)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    iterate_in_workers(read, 3, 2)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    iterate_in_workers(read_with, 3, 2, setup=Model)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    with WorkerExecutor(2) as executor:
        executor.submit(len)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
        executor.submit(read_with)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
        executor.submit(count, 3, stop=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        executor.submit(count, "3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def loops() -> None:
    with iterate_in_worker(partial(count, 3)) as numbers:
        assert_type(numbers, RemoteIterable[int])
        for number in numbers:
            assert_type(number, int)
        assert_type(iter(numbers), "Generator[int, None, None]")
        with closing(iter(numbers)) as taken:
            assert_type(next(taken), int)
        assert_type(numbers.backend, str)
        state: Literal["initialization", "call", "stopping", "iteration", "stand by", "closed"]
        state = numbers.state
        bottleneck: Literal["worker", "parent", "transfer", "balanced"] = numbers.stats().bottleneck
        print(state, bottleneck)
        assert_type(len(numbers), int)
        assert_type(numbers.call("set_epoch", 3), Any)
    with iterate_in_subprocess(partial(count, 3)) as processed:
        assert_type(processed, SubprocessIterable[int])
    iterable: Iterable[int] = numbers
    print(iterable)
    # What can be read as a wider type is one: it is covariant in what matters to a loop.
    wider: Iterable[object] = numbers
    print(wider)
    worker: RemoteIterable[object] = numbers
    print(worker)


async def async_loops() -> None:
    async with iterate_in_subinterpreter(partial(count, 3)) as numbers:
        assert_type(numbers, SubinterpreterIterable[int])
        async for number in numbers:
            assert_type(number, int)
        assert_type([number async for number in numbers], list[int])
        async with aclosing(aiter(numbers)) as taken:
            assert_type(await anext(taken), int)
        iterator: AsyncIterator[object] = aiter(numbers)
        print(iterator)


def generic(fn: Callable[[], Iterable[Any]]) -> RemoteIterable[Any]:
    return iterate_in_worker(fn)


def the_rest() -> None:
    assert_type(available_backends(), dict[str, Availability])
    assert_type(available_backends()["subprocess"].usable, bool)
    assert_type(allocate(3), memoryview)
    array: np.ndarray[Any, Any] = farside.numpy.empty((3, 4), "uint8")
    print(array)
    register_backend("mine", "module:Class")
    with record() as log:
        assert_type(log, Recording)
    assert_type(farside.__version__, str)


class Contract(BackendContract):
    """A contract is subclassed like this."""

    def start(self, fn: Callable[[], Iterable[Any]], **options: Any) -> RemoteIterable[Any]:
        return iterate_in_worker(fn, backend="inline", **options)
