"""A Ray cluster for each module of tests, and what no test may leave behind on it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from farside._backends import live_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

collect_ignore_glob = [] if find_spec("ray") else ["test_cluster*.py"]

CPUS = 8


@pytest.fixture(scope="module", autouse=True)
def cluster(_helpers_of_multiprocessing: None) -> Iterator[Any]:
    """A cluster on this machine, to which this process is connected."""
    yield from made_cluster(200 << 20)


def made_cluster(store_bytes: int) -> Iterator[Any]:
    """Make a cluster; see that nothing of it is left behind."""
    import ray

    before = _orphans()
    ray.init(
        address="local",  # and not that of tests that run at the same time
        num_cpus=CPUS,
        include_dashboard=False,
        object_store_memory=store_bytes,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    deadline = time.monotonic() + 10.0
    while ray.is_initialized() and (free := ray.available_resources().get("CPU", 0)) != CPUS:
        assert time.monotonic() < deadline, f"{CPUS - free} CPUs are in use by what is left behind"
        time.sleep(0.1)
    ray.shutdown()
    while left := _orphans() - before:
        assert time.monotonic() < deadline + 10.0, f"actors outlive their cluster: {left}"
        time.sleep(0.1)


def _orphans() -> set[int]:
    """Return the processes of actors whose cluster is gone."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_actor = (each / "cmdline").read_bytes().startswith(b"ray::Actor")
            if is_actor and "PPid:\t1\n" in (each / "status").read_text():
                found.add(int(each.name))
    return found


@pytest.fixture(autouse=True)
def _nothing_left_behind(cluster: Any) -> Iterator[None]:
    """Fail a test that leaves an actor or a thread behind; processes of Ray come and go."""
    before = {thread.name for thread in threading.enumerate()}
    yield
    deadline = time.monotonic() + 10.0
    while left := _left(before):
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {', '.join(left)}")
        time.sleep(0.02)


def _left(before: set[str]) -> list[str]:
    live_workers.sweep()
    left = [f"worker {each.label}" for each in live_workers._live.values()]
    return left + [each.name for each in threading.enumerate() if each.name not in before]
