"""Workers on several nodes, and a process that leaves the cluster."""

from __future__ import annotations

import signal
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    BackendUnavailableError,
    WorkerDiedError,
    WorkerRestartedWarning,
    available_backends,
    iterate_in_worker,
)
from farside.testing import jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

FAR = {"num_cpus": 0.1, "resources": {"far": 1}}


@pytest.fixture(scope="module", autouse=True)
def cluster(_helpers_of_multiprocessing: None) -> Iterator[Any]:
    """A cluster of one node, where others can be added; this process is not connected."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()


@pytest.fixture
def connected(cluster: Any) -> Iterator[Any]:
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def test_a_worker_goes_on_when_its_node_is_gone(cluster: Any, connected: Any) -> None:
    del connected
    given = {"num_cpus": 1, "resources": {"far": 1}, "object_store_memory": 100 << 20}
    first = cluster.add_node(**given)
    with iterate_in_worker(
        partial(jobs.Numbers, 500),
        backend="ray",
        backend_options=FAR,
        max_restarts=1,
        buffer_size=2,
    ) as numbers:
        iterator = iter(numbers)
        got = [next(iterator) for _ in range(100)]
        second = cluster.add_node(**given)
        cluster.remove_node(first)
        with pytest.warns(WorkerRestartedWarning, match="its actor has died"):
            got += iterator
        assert got == list(range(500))
    cluster.remove_node(second)


def test_leaving_the_cluster_before_closing(connected: Any) -> None:
    numbers = iterate_in_worker(jobs.Endless, backend="ray", buffer_size=1)
    idle = iterate_in_worker(list[int], backend="ray", backend_options={"num_cpus": 0})
    iterator = iter(numbers)
    assert next(iterator) == 0
    connected.shutdown()
    with pytest.raises(WorkerDiedError, match=r"this process has left the cluster \(ray.shutdown"):
        for _ in iterator:
            pass
    numbers.close()
    idle.close()
    assert not connected.is_initialized(), "nothing has joined a cluster again"


def test_leaving_the_cluster_and_joining_it_again(cluster: Any, connected: Any) -> None:
    given: Any = {"backend": "ray", "backend_options": {"num_cpus": 0}}
    numbers = iterate_in_worker(jobs.Endless, buffer_size=1, **given)
    idle, unused = (iterate_in_worker(partial(range, 3), **given) for _ in range(2))
    iterator = iter(numbers)
    assert next(iterator) == 0
    assert list(idle) == [0, 1, 2]
    connected.shutdown()
    connected.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    for each in (iterator, idle):
        with pytest.raises(WorkerDiedError, match="this process has left the cluster"):
            for _ in each:
                pass
    for each in (numbers, idle, unused):
        each.close()


def test_a_cluster_that_is_started_again_at_the_same_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("RAY_GCS_SERVER_PORT", str(free.getsockname()[1]))
    local: Any = {"address": "local", "num_cpus": 1, "object_store_memory": 100 << 20}
    quiet: Any = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(**local, **quiet)
    address = ray.get_runtime_context().gcs_address
    given: Any = {"backend": "ray", "backend_options": {"num_cpus": 0}}
    numbers, idle = (iterate_in_worker(jobs.Endless, buffer_size=1, **given) for _ in range(2))
    iterator = iter(numbers)
    assert next(iterator) == 0
    ray.shutdown(wait_for_processes=True)
    ray.init(**local, **quiet)
    assert ray.get_runtime_context().gcs_address == address
    for each in (iterator, idle):
        with pytest.raises(WorkerDiedError, match="this process has left the cluster"):
            for _ in each:
                pass
    for worker in (numbers, idle):
        worker.close()
    ray.shutdown()


def test_leaving_the_cluster_in_the_middle_of_a_wait(connected: Any) -> None:
    with iterate_in_worker(
        partial(map, time.sleep, [0.0, 600.0]), backend="ray", backend_options={"num_cpus": 0}
    ) as numbers:
        iterator = iter(numbers)
        assert next(iterator) is None
        leaving = threading.Timer(0.5, connected.shutdown)
        leaving.start()
        with pytest.raises(WorkerDiedError, match="this process has left the cluster"):
            next(iterator)
        leaving.join()


def test_it_connects_to_an_address_and_to_no_other(cluster: Any) -> None:
    import ray

    assert not ray.is_initialized()
    state = available_backends()["ray"]
    assert not state.usable
    assert "Ray is not connected; call ray.init() first" in state.reason
    with pytest.raises(BackendUnavailableError, match="Ray is not connected"):
        iterate_in_worker(list, backend="ray")
    for address, message in {
        "nowhere": "no cluster can be joined at address='nowhere' ",
        "local": "would start a cluster",
        "ray://127.0.0.1:1": "is for a Ray client",
    }.items():
        with pytest.raises(BackendUnavailableError, match=message):
            iterate_in_worker(list, backend="ray", backend_options={"address": address})
    given = {"address": cluster.address, "num_cpus": 0}
    with iterate_in_worker(partial(range, 3), backend="ray", backend_options=given) as numbers:
        assert list(numbers) == [0, 1, 2]
    ray.shutdown()


def test_a_handler_of_the_program_stays_when_it_connects(cluster: Any) -> None:
    import ray

    def save(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, save)
    try:
        given = {"address": cluster.address, "num_cpus": 0}
        with iterate_in_worker(list, backend="ray", backend_options=given):
            assert signal.getsignal(signal.SIGTERM) is save
        ray.shutdown()
    finally:
        signal.signal(signal.SIGTERM, before)
