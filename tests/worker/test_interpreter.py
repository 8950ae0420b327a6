"""The entry point of a subinterpreter, in a thread of this one."""

import _thread
import atexit
import pickle
import warnings
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import pytest

from farside._memory import allocate
from farside._payload import worker_info
from farside._payload.job import Job
from farside._protocol.messages import Cmd, Status
from farside._worker import interpreter
from tests.children import run_python
from tests.worker.harness import BUDGET, INFO, Worker, running, saying


@pytest.fixture(autouse=True)
def _changes_nothing_for_good(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what the entry point does once in the life of an interpreter."""
    monkeypatch.setattr(ExtensionFileLoader, "create_module", ExtensionFileLoader.create_module)
    monkeypatch.setattr(worker_info, "_pid", 0)  # else this process counts as a worker, as a whole
    monkeypatch.setattr(worker_info, "_whole", None)
    yield
    allocate.use(None)
    # The second would end this process's resource tracker before the locks that tests have made.
    ended = interpreter._end_multiprocessing
    for registered in (warnings.resetwarnings, ended, vars(_thread).get("_shutdown", id)):
        atexit.unregister(registered)


class Entering(Worker):
    """A worker that begins at the entry point."""

    def work(self) -> None:
        interpreter.main(*(end.fileno() for end in self._ends))

    def say(self, kind: int, epoch: int = 0, body: bytes = b"") -> None:
        self.parent.send(kind, epoch, [body])


def test_it_runs_the_job_that_comes_through_the_link() -> None:
    job = Job(pickle.dumps((list, (), ())), None, None, BUDGET, INFO)
    with running(Entering(saying(job))) as worker:
        worker.expect_ready()
        for epoch in (1, 2):
            worker.start(epoch)
            worker.expect(Status.ITERATION_FINISHED, epoch)
        worker.say(Cmd.ABORT)
        worker.expect_end()


def test_it_ends_when_no_job_comes() -> None:
    with running(Entering()) as worker:
        worker.parent.close()


@pytest.mark.usefixtures("_serve_is_interrupted")
def test_a_system_exit_that_comes_too_late_is_no_error() -> None:
    with running(Entering()) as worker:
        worker.expect_end()


@pytest.fixture
def _serve_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(_link: object) -> None:
        raise SystemExit

    monkeypatch.setattr(interpreter, "serve", serve)


@pytest.mark.usefixtures("subinterpreter_kind")
@pytest.mark.parametrize("start", ["", "import multiprocessing.util"])
def test_locks_of_multiprocessing_end_before_its_tracker(start: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(start)
    (tmp_path / "locks.py").write_text(LOCKS)
    script = """
from farside import iterate_in_subinterpreter
from locks import make
with iterate_in_subinterpreter(make) as items:
    print(*items)
"""
    assert run_python(script, path=tmp_path, measured=False) == f"{bool(start)} True\n"


LOCKS = """
import sys
def make():
    yield "multiprocessing.util" in sys.modules
    import multiprocessing
    global lock
    lock = multiprocessing.get_context("spawn").Lock()
    yield lock.acquire()
"""
