"""What an executor is given for its workers."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import FinalizerFailedWarning, WorkerDiedError, WorkerExecutor
from tests.kinds import SUBINTERPRETERS

if TYPE_CHECKING:
    from pathlib import Path

BACKENDS = ["subprocess", *(kind.backend for kind in SUBINTERPRETERS)]


class Model:
    """Notes in a file that it was closed, and after how many calls."""

    latest: Model | None = None

    def __init__(self, path: Path) -> None:
        self.path, self.calls = path, 0
        Model.latest = self


def make(path: Path) -> Model:
    return Model(path)


def use(model: Model, number: int) -> int:
    model.calls += 1
    return number


def close() -> None:
    assert Model.latest is not None
    with Model.latest.path.open("a") as file:
        file.write(f"{Model.latest.calls} ")


def die(_: Model, code: int) -> None:
    os._exit(code)


def fail() -> None:
    raise OSError("it is gone")


def executor(path: Path, backend: str, **options: Any) -> WorkerExecutor[Model]:
    return WorkerExecutor(1, backend=backend, setup=partial(make, path), finalizer=close, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_finalizer_closes_what_setup_has_made(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "closed"
    with executor(path, backend) as workers:
        assert [workers.submit(use, each).result() for each in range(3)] == [0, 1, 2]
        assert not path.exists()
    assert path.read_text() == "3 "


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_worker_is_finalized(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "closed"
    with executor(path, backend, max_tasks_per_child=2) as workers:
        assert [*workers.map(use, range(5))] == [0, 1, 2, 3, 4]
    assert sorted(path.read_text().split()) == ["1", "2", "2"]


def test_a_worker_that_dies_is_not_finalized_and_its_successor_is(tmp_path: Path) -> None:
    path = tmp_path / "closed"
    with executor(path, "subprocess") as workers:
        with pytest.raises(WorkerDiedError):
            workers.submit(die, 1).result()
        assert workers.submit(use, 1).result() == 1
    assert path.read_text() == "1 "


def test_workers_that_are_killed_are_not_finalized(tmp_path: Path) -> None:
    late = partial(write_late, tmp_path / "late", "late")  # it may begin, but not end
    with WorkerExecutor(1, backend="subprocess", finalizer=late, shutdown_timeout=20) as workers:
        assert workers.submit(abs, -1).result() == 1
        workers.kill_workers()
    assert not (tmp_path / "late").exists()


def test_a_finalizer_that_fails_is_told() -> None:
    with (
        pytest.warns(FinalizerFailedWarning, match="it is gone"),
        WorkerExecutor(1, backend="subprocess", finalizer=fail) as workers,
    ):
        assert workers.submit(abs, -1).result() == 1


def test_a_finalizer_that_is_cut_off_is_told() -> None:
    with (
        pytest.warns(FinalizerFailedWarning, match=r"shutdown_timeout=0\.4") as told,
        WorkerExecutor(
            1, backend="subprocess", finalizer=partial(time.sleep, 20), shutdown_timeout=0.4
        ) as workers,
    ):
        assert workers.submit(abs, -1).result() == 1
    assert [each.filename for each in told] == [__file__]
    workers.shutdown()  # it is told once


def test_a_finalizer_may_take_longer_with_a_longer_timeout(tmp_path: Path) -> None:
    slow = partial(write_late, tmp_path / "order", "late")
    with WorkerExecutor(1, backend="subprocess", finalizer=slow, shutdown_timeout=20) as workers:
        assert workers.submit(abs, -1).result() == 1
    assert (tmp_path / "order").read_text() == "late"


def test_several_finalizers_run_in_their_order(tmp_path: Path) -> None:
    several = [partial(write, tmp_path / "order", each) for each in "abc"]
    with WorkerExecutor(1, backend="subprocess", finalizer=several) as workers:
        assert workers.submit(abs, -1).result() == 1
    assert (tmp_path / "order").read_text() == "abc"


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def write_late(path: Path, text: str) -> None:
    time.sleep(2.5)  # longer than the default lets it
    write(path, text)


def test_a_wrong_finalizer_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="finalizer=3"):
        WorkerExecutor(1, finalizer=3)  # type: ignore[arg-type]
