"""What happens where a cluster has too little, or a worker says too much."""

from __future__ import annotations

import gc
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import iterate_in_worker
from tests.ray.conftest import made_cluster
from tests.ray.test_cluster_faults import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

STORE_BYTES = 80 << 20  # Ray refuses less than 75 MiB
LARGE = 10_000_000


@pytest.fixture(scope="module", autouse=True)
def cluster(_helpers_of_multiprocessing: None) -> Iterator[Any]:
    """A cluster with a small object store."""
    yield from made_cluster(STORE_BYTES)


def make(sizes: list[int]) -> Any:
    return (bytes([number]) * size for number, size in enumerate(sizes))


def check(items: list[Any], sizes: list[int]) -> None:
    got = [(len(each), each[0], each[-1]) for each in items]
    assert got == [(size, number, number) for number, size in enumerate(sizes)]


def test_more_is_kept_than_the_object_store_holds() -> None:
    sizes = [LARGE] * 30
    with iterate_in_worker(partial(make, sizes), backend="ray", backend_options=SLICE) as items:
        check(list(items), sizes)


def test_an_item_is_larger_than_the_object_store() -> None:
    sizes = [10, STORE_BYTES + LARGE, LARGE]
    with iterate_in_worker(partial(make, sizes), backend="ray", backend_options=SLICE) as items:
        check(list(items), sizes)


def test_others_have_filled_the_object_store(cluster: Any) -> None:
    others = [cluster.put(bytes(LARGE)) for _ in range(8)]
    sizes = [LARGE] * 15
    with iterate_in_worker(partial(make, sizes), backend="ray", backend_options=SLICE) as items:
        check(list(items), sizes)
    assert len(cluster.get(others[0])) == LARGE


def test_objects_that_nobody_uses_any_more_leave_the_object_store() -> None:
    numpy = pytest.importorskip("numpy")
    fn = partial(map, numpy.full, [LARGE // 8] * 40, range(40))
    given = {**SLICE, "read_only": True}
    gc.disable()  # as a training loop may
    try:
        with iterate_in_worker(fn, backend="ray", backend_options=given) as arrays:
            for number, array in enumerate(arrays):
                assert array[0] == array[-1] == number
                # Where there is no room left, contents go another way, and can be written to.
                assert not array.flags.writeable
                del array
    finally:
        gc.enable()


def talk(items: int, lines: int) -> Any:
    for number in range(items):
        for line in range(lines):
            logging.getLogger("talk").warning("%d.%d %s", number, line, "x" * 200)
        yield number


def test_a_flood_of_log_lines_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    items, lines = 10, 1000
    with iterate_in_worker(partial(talk, items, lines), backend="ray", backend_options=SLICE) as it:
        assert list(it) == list(range(items))
    said = [each.getMessage() for each in caplog.records if each.name == "talk"]
    told = [re.search(r"dropped (\d+) log records", each.getMessage()) for each in caplog.records]
    dropped = sum(int(each[1]) for each in told if each)
    assert said
    assert len(said) + dropped == items * lines
