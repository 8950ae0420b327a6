"""Workers on Ray keep the contract of all workers."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import Mock

import pytest

from farside import iterate_in_worker, iterate_in_workers
from farside.testing import ConcurrentBackendContract
from farside.testing.checks import until
from tests.ray.test_cluster_faults import SLICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from farside import RemoteIterable

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

T = TypeVar("T")


class TestRay(ConcurrentBackendContract):
    many = 100

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        if (
            "timeout" in options and "initializer" not in options
        ):  # a process of Ray's takes a second to start, or a few
            options.setdefault("init_timeout", 60)
        # Processes take their time to end: more CPUs than a machine has would start more of them.
        return iterate_in_worker(fn, backend="ray", backend_options=SLICE, fallback=None, **options)


LARGE = 100_000_000
"""Bytes: what is smaller, the C library keeps after it was freed."""


class Memory:
    """Tells how many bytes of memory its process has for itself as a pass begins."""

    def __init__(self, held: bytes) -> None:
        self.held = held

    def __iter__(self) -> Iterator[int]:
        with open("/proc/self/statm", encoding="ascii") as numbers:
            resident, shared = map(int, numbers.read().split()[1:3])
        yield (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def test_a_worker_has_what_it_was_given_once() -> None:
    taken = list[int]()
    for size in (0, LARGE):
        fn = partial(Memory, bytes(size))
        with iterate_in_worker(fn, backend="ray", backend_options=SLICE) as told:
            taken += told
    assert taken[1] - taken[0] < 1.5 * LARGE


def read(held: bytes, shard: int) -> Iterator[tuple[int, int]]:
    yield shard, len(held)


def test_workers_that_start_together_are_given_one_object_for_a_while(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, total = "object_store_memory", cluster.cluster_resources()
    with suppress(AssertionError):  # where a test has killed a worker, Ray may keep an object
        until(lambda: cluster.available_resources()[store] == total[store])
    free = cluster.available_resources()[store]
    put = Mock(wraps=cluster.put)
    monkeypatch.setattr(cluster, "put", put)
    setup = partial(bytes.upper, bytes(1_000_000))
    with iterate_in_workers(read, 3, 3, setup=setup, backend="ray", backend_options=SLICE) as items:
        assert list(items) == [(shard, 1_000_000) for shard in range(3)]
        put.assert_called_once()
        until(lambda: cluster.available_resources()[store] >= free)
