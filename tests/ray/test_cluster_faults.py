"""What goes wrong with workers on Ray, and how they end."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import ray

from farside import (
    WorkerDiedError,
    WorkerRestartedWarning,
    WorkerTimeoutError,
    iterate_in_worker,
)
from farside._backends import live_workers
from farside.testing import jobs
from farside.testing.checks import until
from tests.background import Background
from tests.ray.conftest import CPUS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from farside import RemoteIterable

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

SLICE = {"num_cpus": 0.1}
NOWHERE = {"resources": {"nowhere": 1}}


def start(fn: Any, **options: Any) -> RemoteIterable[Any]:
    return iterate_in_worker(fn, backend="ray", backend_options=SLICE, **options)


def pid_of(iterable: RemoteIterable[Any]) -> int:
    """Read it from what the worker is called: ``pid 4711 on somewhere``."""
    text = repr(iterable)
    return int(text.partition("worker='pid ")[2].split()[0])


def is_running(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def test_a_killed_actor_is_an_error_at_once() -> None:
    with start(jobs.Endless, buffer_size=1) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        begun = time.monotonic()
        os.kill(pid_of(numbers), signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match=r"its actor has died: its worker process") as it:
            list(iterator)
        assert time.monotonic() - begun < 5.0
        assert "ray worker (pid " in str(it.value)


def test_a_terminated_actor_is_an_error_too() -> None:
    with start(jobs.Endless, buffer_size=1) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        os.kill(pid_of(numbers), signal.SIGTERM)
        with pytest.raises(WorkerDiedError, match=r"its actor has died: its worker process"):
            list(iterator)


def test_an_actor_that_dies_is_started_again_and_the_pass_is_complete() -> None:
    with start(partial(jobs.Numbers, 3000), buffer_size=4, max_restarts=1) as numbers:
        iterator = iter(numbers)
        got = [next(iterator) for _ in range(100)]
        os.kill(pid_of(numbers), signal.SIGKILL)
        with pytest.warns(WorkerRestartedWarning, match="its actor has died"):
            got += [next(iterator) for _ in range(50)]
        assert got == list(range(150))
        assert list(numbers) == list(range(3000))


def test_an_actor_that_is_killed_from_outside_as_it_starts_is_started_once_more() -> None:
    """That says nothing of the next one, unlike a second actor that dies by itself so early."""
    options = {"initializer": partial(time.sleep, 1.0), "max_restarts": 3, "wait": False}
    with start(partial(jobs.Numbers, 3), **options) as numbers:
        client: Any = numbers._current
        killed: list[Any] = [None]

        def kill_two() -> None:
            for _ in range(2):
                until(lambda: client.members[0].worker not in killed)
                killed.append(client.members[0].worker)
                ray.kill(killed[-1]._calls._actor)

        killer = Background(kill_two)
        with pytest.warns(WorkerRestartedWarning, match="killed by `ray.kill`"):
            assert list(numbers) == [0, 1, 2]
        killer.result()
        assert len(killed) == 3


def test_a_worker_that_ends_its_process() -> None:
    with start(partial(jobs.FailsAt, 3, partial(os._exit, 5)), buffer_size=1) as numbers:
        with pytest.raises(WorkerDiedError, match="its actor has died"):
            list(numbers)


def test_closing_in_the_middle_of_a_pass_ends_the_process() -> None:
    numbers = start(jobs.Endless)
    assert next(iter(numbers)) == 0
    pid = pid_of(numbers)
    numbers.close()
    until(lambda: not is_running(pid))


def test_an_iterable_that_is_dropped_lets_its_actor_go() -> None:
    numbers = start(jobs.Endless)
    iterator = iter(numbers)
    assert next(iterator) == 0
    pid = pid_of(numbers)
    del numbers, iterator
    gc.collect()
    until(lambda: not is_running(pid))


def test_an_actor_that_waits_for_a_processor_is_let_go_with_its_iterable() -> None:
    whole = {"num_cpus": CPUS}
    with iterate_in_worker(jobs.Endless, backend="ray", backend_options=whole) as numbers:
        assert next(iter(numbers)) == 0
        before = dict(live_workers._live)
        waiting = start(jobs.Endless, wait=False)
        until(lambda: not [each for each in threading.enumerate() if each.name == "farside-launch"])
        assert live_workers._live.keys() > before.keys()
        del waiting
        gc.collect()

        def is_let_go() -> bool:
            live_workers.sweep()
            return live_workers._live == before

        until(is_let_go)


def test_closing_does_not_listen_to_an_actor_that_has_no_place() -> None:
    numbers = iterate_in_worker(
        jobs.Endless, backend="ray", backend_options=NOWHERE, wait=False, shutdown_timeout=60.0
    )
    until(lambda: not numbers._current.launching)
    begun = time.monotonic()
    numbers.close()
    assert time.monotonic() - begun < 20.0


def test_an_actor_that_gets_no_place_in_time_is_an_error_that_says_what_it_needs() -> None:
    place = r"was not started: no machine .* room for \{'num_cpus': 1, 'resources': \{'nowhere': 1"
    with pytest.raises(WorkerTimeoutError, match=place):
        iterate_in_worker(list, backend="ray", backend_options=NOWHERE, init_timeout=0.5)


def test_a_worker_blocked_in_c_is_killed() -> None:
    numbers = start(partial(map, time.sleep, [0.0, 600.0]), shutdown_timeout=1)
    iterator = iter(numbers)
    assert next(iterator) is None
    pid = pid_of(numbers)
    numbers.close()
    until(lambda: not is_running(pid))


def test_stacks_calls_and_logs_cross(caplog: pytest.LogCaptureFixture) -> None:
    with start(partial(jobs.Spins, 1), initializer=partial(logging.warning, "hello")) as spins:
        iterator = iter(spins)
        assert next(iterator) == 0
        stack = spins.dump_stack()
        assert "in __iter__" in stack
        assert "in pull" not in stack
        assert "in watch" not in stack
    assert "hello" in caplog.text


def own_output() -> Iterator[str]:
    """Yield again and again what Ray has of the output of this process."""
    with open("/proc/self/fd/1") as output:
        while True:
            output.seek(0)
            yield output.read()
            time.sleep(0.02)


def test_what_a_worker_prints_is_shown_with_its_name() -> None:
    with start(own_output, name="reader") as outputs:
        assert any(":actor_name:reader\n" in output for output in outputs)


def test_options_that_are_wrong() -> None:
    cases: list[tuple[Any, type[Exception], str]] = [
        (
            {"cpus": 1},
            ValueError,
            "'cpus': 1, which backend='ray' does not take; it takes num_cpus",
        ),
        ({"num_cpus": -1}, ValueError, "is refused by Ray: "),
        ({"read_only": 1}, TypeError, "'read_only': 1; pass True or False"),
        (3, TypeError, "backend_options=3 is not a mapping; pass a dict"),
    ]
    for given, kind, message in cases:
        with pytest.raises(kind, match=message):
            iterate_in_worker(list, backend="ray", backend_options=given)


_DRIVER = """
import os, sys, time
import ray
import farside

def read():
    for number in range(10**9):
        yield number, os.environ["MARK"]

if __name__ == "__main__":
    given = {"address": sys.argv[1], "num_cpus": 0.1, "namespace": "other"}
    env = {"MARK": "x"}
    with farside.iterate_in_worker(read, backend="ray", backend_options=given, env=env) as it:
        for number, mark in it:
            print(repr(it).partition("worker='pid ")[2].split()[0], mark, flush=True)
            time.sleep(600)
"""


_ENDS = """
import sys
from functools import partial
from pathlib import Path

import farside

def read():
    yield from range(10**9)

if __name__ == "__main__":
    given = {"address": sys.argv[1], "num_cpus": 0.1}
    end = partial(Path(sys.argv[2]).write_text, "ended")
    numbers = farside.iterate_in_worker(read, backend="ray", backend_options=given, finalizer=end)
    print(next(iter(numbers)))
"""


def test_finalizers_run_when_a_driver_ends_that_has_not_closed(
    cluster: Any, tmp_path: Path
) -> None:
    script, told = tmp_path / "driver.py", tmp_path / "told"
    script.write_text(_ENDS)
    address = cluster.get_runtime_context().gcs_address
    subprocess.run([sys.executable, str(script), address, str(told)], check=True, timeout=120)
    assert told.read_text() == "ended"


def test_the_actors_of_another_driver_end_when_that_is_killed(cluster: Any, tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(_DRIVER)
    address = cluster.get_runtime_context().gcs_address
    command = [sys.executable, str(script), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        pid, mark = driver.stdout.readline().split()
        assert mark == "x"
        assert is_running(int(pid))
        driver.kill()
    until(lambda: not is_running(int(pid)))
