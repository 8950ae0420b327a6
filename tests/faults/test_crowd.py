"""Many workers at once, and many threads that use them."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from farside import PassSupersededError, WorkerDiedError, iterate_in_workers
from farside.testing.checks import take
from tests import jobs, shard_jobs
from tests.background import Background

if TYPE_CHECKING:
    from farside import RemoteIterable
    from tests.kinds import Kind

MANY = 50
THREADS = 8
NUMBERS = list(range(1000))
WORK = partial(jobs.Numbers, len(NUMBERS))


def used(kind: Kind) -> bool:
    """Start a worker, iterate twice, close it; tell whether all went well."""
    with kind.start(WORK) as numbers:
        return list(numbers) == list(numbers) == NUMBERS


def test_many_at_once(kind: Kind) -> None:
    count = MANY if kind.name != "spawn" else MANY // 5  # each costs a new Python
    held = [kind.start(WORK) for _ in range(count)]
    iterators = [iter(numbers) for numbers in held]
    assert [next(iterator) for iterator in iterators] == [0] * count
    assert all(list(iterator) == NUMBERS[1:] for iterator in iterators)
    for numbers in held:
        numbers.close()


def test_workers_are_started_from_many_threads(kind: Kind) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(used, [kind] * 2 * THREADS)) == [True] * 2 * THREADS


def test_two_threads_that_loop_over_the_same_iterable(kind: Kind) -> None:
    """Each pass is whole, or says that it was superseded."""
    with kind.start(WORK) as numbers:

        def loop() -> list[int]:
            lengths = []
            for _ in range(20):
                got, error = take(numbers)
                assert got == NUMBERS[: len(got)]
                assert isinstance(error, PassSupersededError) or got == NUMBERS
                lengths.append(len(got))
            return lengths

        both = [Background(loop) for _ in "12"]
        assert [len(each.result()) for each in both] == [20, 20]
        assert list(numbers) == NUMBERS


def test_two_threads_that_share_an_iterator(kind: Kind) -> None:
    """As with generators: no item comes twice or is lost, and the one that is late is told."""
    with kind.start(partial(jobs.Numbers, 20_000)) as numbers:
        iterator = iter(numbers)

        def draw() -> list[int]:
            got: list[int] = []
            while True:
                with suppress(ValueError):  # the other thread is at it
                    item = next(iterator, None)
                    if item is None:
                        return got
                    got.append(item)

        both = [Background(draw) for _ in "12"]
        assert sorted(number for each in both for number in each.result()) == list(range(20_000))


def test_closing_from_many_threads(kind: Kind) -> None:
    numbers = kind.start(jobs.Endless)
    next(iter(numbers))
    for each in [Background(numbers.close) for _ in range(THREADS)]:
        each.result()
    assert numbers.state == "closed"


def test_asyncio(kind: Kind) -> None:
    async def main() -> list[bool]:
        return list(await asyncio.gather(*(asyncio.to_thread(used, kind) for _ in range(4))))

    assert asyncio.run(main()) == [True] * 4


def test_a_thread_that_ends_before_its_worker(kind: Kind) -> None:
    held: list[RemoteIterable[Any]] = []
    thread = threading.Thread(target=lambda: held.append(kind.start(WORK)))
    thread.start()
    thread.join()
    [numbers] = held
    with numbers:
        assert list(numbers) == NUMBERS


def test_many_workers_end_since_one_has_died() -> None:
    """However many there are: their ends are not awaited one within the other."""
    count = 30
    numbers = iterate_in_workers(
        shard_jobs.first_dies,
        range(count),
        num_workers=count,
        cycle_length=count,
        backend="subprocess",
    )
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 3 * count)
    try:
        with numbers:
            _, error = take(numbers)
    finally:
        sys.setrecursionlimit(before)
    assert isinstance(error, WorkerDiedError)
