"""The entry point of a subinterpreter, in a thread of this one."""

import pickle
from collections.abc import Iterator

import pytest

from farside._protocol.messages import Cmd, Status
from farside._transport import allocate
from farside._worker import interpreter
from farside._worker.job import Job
from tests.worker.harness import BUDGET, Worker, running, saying


@pytest.fixture(autouse=True)
def _allocates_nothing_afterwards() -> Iterator[None]:
    """Undo what the entry point does once in the life of an interpreter."""
    yield
    allocate.use(None)


class Entering(Worker):
    """A worker that begins at the entry point."""

    def work(self) -> None:
        interpreter.main(*(end.fileno() for end in self._ends))

    def say(self, kind: int, epoch: int = 0, body: bytes = b"") -> None:
        self.parent.send(kind, epoch, [body])


def test_it_runs_the_job_that_comes_through_the_channel() -> None:
    job = Job(pickle.dumps((list, (), ())), None, None, BUDGET)
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
    def serve(_channel: object) -> None:
        raise SystemExit

    monkeypatch.setattr(interpreter, "serve", serve)
