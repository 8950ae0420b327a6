"""What is said about Ray where it is not there."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from unittest.mock import Mock

import pytest

from farside import BackendUnavailableError, available_backends, iterate_in_worker, map_in_workers
from farside._backends.ray import backend
from farside._backends.ray.backend import RayBackend, RayWorker, _why
from farside._parent.options import check
from farside._parent.signatures import complete


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("ray") is not None:
        pytest.skip("Ray is there")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.usefixtures("no_ray")
def test_it_says_how_to_get_it() -> None:
    state = available_backends()["ray"]
    assert state == (False, "Ray is missing; pip install ray")
    with pytest.raises(BackendUnavailableError, match="Ray is missing; pip install"):
        iterate_in_worker(list, backend="ray", backend_options={"address": "auto"})
    assert "ray" not in sys.modules


@pytest.mark.usefixtures("no_ray")
def test_its_options_are_checked_all_the_same() -> None:
    with pytest.raises(ValueError, match="backend_options has 'cpus': 1, which backend='ray'"):
        iterate_in_worker(list, backend="ray", backend_options={"cpus": 1})
    with pytest.raises(ValueError, match="cannot be given to backend='inline', which takes none"):
        iterate_in_worker(list, backend="inline", backend_options={"num_cpus": 1})
    with pytest.raises(ValueError, match="needs a backend, such as backend='ray'"):
        iterate_in_worker(list, backend_options={"num_cpus": 1})
    with pytest.raises(TypeError, match="backend_options=3 is not a mapping"):
        iterate_in_worker(list, backend="ray", backend_options=3)  # type: ignore[arg-type]
    assert RayBackend.capabilities.remote


def test_what_ray_says_of_a_death_in_short() -> None:
    killed = (
        "The actor died unexpectedly.\n\tclass_name: Actor\nThe actor is dead because its worker "
        "process has died.\n\x1b[36mExit\x1b[39m detail: End of file. "
        "Some common causes include: (1)"
    )
    assert _why(RuntimeError(killed)) == "its worker process has died. Exit detail: End of file."
    memory = (
        "The actor is dead because 1 worker(s) were killed due to the node running low on memory. "
        "It was 9GB used / 10GB limit\nObject store memory usage: [- objects spillable: 0]\nRay ..."
    )
    assert _why(RuntimeError(memory)).startswith("1 worker(s) were killed due to the node running")
    assert _why(RuntimeError(memory)).endswith("low on memory. It was 9GB used / 10GB limit")
    node = "The actor died.\n\tpid: 4711\nThe actor died because its node has died. Node Id: 1"
    assert _why(RuntimeError(node)) == "its node has died. Node Id: 1"
    missing = "The actor with name Actor failed to import\nNo module named 'farside'\n"
    assert _why(RuntimeError(missing)).startswith("farside is not installed there; install it on")


@dataclass
class Save:
    """Saves what the program has; it has no hash."""

    def __call__(self, *_: object) -> None: ...


@pytest.mark.parametrize("fails", [False, True])
def test_a_handler_of_the_program_stays_whether_ray_connects_or_not(
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,  # noqa: FBT001
) -> None:
    def init(**_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray does, at once
        if fails:
            raise ConnectionError

    module = Mock(init=init, is_initialized=lambda: False)
    module.util.client.ray.is_connected.return_value = False
    monkeypatch.setattr(backend, "ray", lambda: module)
    before = signal.signal(signal.SIGTERM, Save())
    try:
        with pytest.raises(BackendUnavailableError) if fails else nullcontext():
            backend._connect({"address": "auto"})
        assert signal.getsignal(signal.SIGTERM) == Save()
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("why", "struck"),
    [
        ("its node has died. Node Id: 1", True),
        ("it was killed by `ray.kill`. The actor never ran", True),
        ("1 worker(s) were killed due to the node running low on memory. It was 9GB", True),
        ("its worker process has died. Worker exit type: SYSTEM_ERROR", False),
    ],
)
def test_a_worker_that_something_outside_has_ended_is_not_to_blame(
    why: str,
    struck: bool,  # noqa: FBT001
) -> None:
    calls: Any = Mock(lost=Mock(return_value=False), pull=Mock(return_value=None))
    calls.watched = Future()
    worker = RayWorker(calls, {}, False)
    calls.watched.set_exception(RuntimeError(f"The actor is dead because {why}"))
    status = worker.exit_status()
    assert status.text == f"its actor has died: {why}"
    assert status.struck == struck
    worker.link.close()


def test_no_worker_is_started_again_for_a_process_that_ray_takes_for_dead() -> None:
    calls: Any = Mock(lost=Mock(return_value=False), pull=Mock(return_value=None))
    calls.watched = Future()
    worker = RayWorker(calls, {}, False)
    said = "its owner has died. Worker exit detail: Owner's node has crashed."
    calls.watched.set_exception(RuntimeError(f"The actor is dead because {said}"))
    status = worker.exit_status()
    assert not status.again
    assert status.text.startswith(f"its actor has died: {said}; its owner is this process")
    worker.link.close()


def test_how_much_may_wait_unless_the_user_says_so() -> None:
    def given(**options: object) -> int:
        return check(list, backend="ray", **options).buffer_bytes

    assert given() == given(backend_options={"read_only": False}) == 1 << 24
    assert given(buffer_bytes=complete(map_in_workers, {})["buffer_bytes"]) == 1 << 24
    assert given(backend_options={"read_only": True}) == 1 << 26
    assert given(backend_options={"read_only": True}, buffer_bytes=5000) == 5000
    assert check(list, backend="subprocess").buffer_bytes == 1 << 22
