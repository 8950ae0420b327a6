"""A worker in a thread of the test, and the parent's side of its link, spoken by hand."""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from farside._link.frames import Frame
from farside._link.opening import open_link
from farside._link.worker_pipes import PipeWorkerLink
from farside._payload.failure import Failure
from farside._payload.job import JOB, Job
from farside._payload.pickling import dumps, loads
from farside._protocol.messages import Cmd, Status
from farside._worker.execute import execute_iterable
from farside._worker.finalizers import Finalizers
from farside._worker.listener import Commands
from farside._worker.serve import serve
from farside.errors import LinkClosedError
from tests.background import SECONDS, Background, receive
from tests.link.links import ARENA
from tests.payload.ways import items_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from farside._memory.parts import Part

    Saying: TypeAlias = tuple[int, int, Sequence[Part]]

BUDGET = 1 << 18

INFO = ("subprocess", "worker", 0, 1, 0, 0)
"""What a job tells of its worker."""


class ObservedLink(PipeWorkerLink):
    """The worker's side, which tells the test when the worker is about to wait for something."""

    def __init__(self, *ends: int) -> None:
        super().__init__(*ends)
        self.waits_for_credit: SimpleQueue[int] = SimpleQueue()
        self.listens: SimpleQueue[None] = SimpleQueue()

    def wait_for_credit(self, epoch: int, total: int) -> bool:
        self.waits_for_credit.put(epoch)
        return super().wait_for_credit(epoch, total)

    def receive(self, into: deque[Frame]) -> None:
        self.listens.put(None)
        super().receive(into)


class Worker:
    """What the test has of a worker."""

    def __init__(self, *said: Saying) -> None:
        self.parent, self._ends = open_link(ARENA)
        for kind, epoch, parts in said:  # before the worker begins
            self.parent.send(kind, epoch, parts)
        self.link = ObservedLink(*(end.fileno() for end in self._ends))
        self._frames: deque[Frame] = deque()
        self._items: deque[Any] = deque()  # of a frame that was opened
        self._arrived = Counter[int]()  # how many items of each pass
        self.commands = Commands(self.link)  # of a worker without a listener
        self._thread = Background(self._run)

    def work(self) -> None:
        """Be the worker."""
        raise NotImplementedError

    def say(self, kind: int, epoch: int = 0, body: bytes = b"") -> None:
        """Give the worker a command."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            self.work()
        finally:
            self._ends.frames.close()

    def start(self, epoch: int, body: bytes = b"") -> None:
        """Start a pass."""
        self.say(Cmd.START_ITERATION, epoch)
        self.expect(Status.ITERATION_STARTED, epoch, body)

    def stop(self, epoch: int) -> None:
        """Stop a pass, as the parent does; what came of it is forgotten."""
        self._items.clear()
        self.say(Cmd.STOP_ITERATION, epoch)
        self.parent.revoke(epoch)

    def receive(self) -> Frame:
        """Receive the next frame."""
        assert not self._items
        if not self._frames:
            assert receive(self.parent, self._frames), "the worker sends nothing"
        frame = self._frames.popleft()
        self._arrived[frame.epoch] += frame.items
        return frame

    def expect(self, status: Status, epoch: int = 0, body: bytes = b"") -> None:
        """Receive a frame that is this one."""
        assert self.receive() == Frame(status, epoch, body)

    def expect_ready(self) -> bytes | bytearray | memoryview:
        """Receive that the iterable exists; return what is said of its length."""
        frame = self.receive()
        assert (frame.kind, frame.epoch) == (Status.INITIALIZATION_SUCCEEDED, 0)
        return frame.body

    def expect_items(self, epoch: int, *items: object) -> None:
        """Receive the next items of a pass."""
        for item in items:
            if not self._items:
                frame = self.receive()
                assert (frame.kind, frame.epoch) == (Status.ITERATOR_SUCCESS, epoch)
                self._items += items_of(frame)
            assert self._items.popleft() == item

    def expect_failure(self, status: Status, epoch: int = 0) -> Failure:
        """Receive a failure, after which the worker has ended; wait for it, as a loop does."""
        self.parent.acknowledge(epoch, self._arrived[epoch])
        self.parent.tell_waiting(True)
        frame = self.receive()
        assert (frame.kind, frame.epoch) == (status, epoch)
        self.expect_end()
        return Failure(*loads(frame.body))

    def expect_end(self) -> None:
        """Find that the worker has ended by itself, and has sent no more."""
        self._thread.result()
        try:
            receive(self.parent, self._frames)
        except LinkClosedError:
            assert not self._frames
        else:
            raise AssertionError(self._frames)

    def wait_until_out_of_credit(self) -> None:
        """Wait until the worker is about to wait for credit."""
        self.link.waits_for_credit.get(timeout=SECONDS)

    def close(self) -> None:
        """Let the parent be gone, and wait for the worker's end."""
        self.parent.close()
        self._thread.result()
        for thread in threading.enumerate():
            if thread.name == "farside-listener":
                thread.join(SECONDS)
        for end in self._ends:
            end.close()


class Executing(Worker):
    """A worker without a listener: commands are there as soon as they are said."""

    def __init__(self, job: Job) -> None:
        self._job = job
        super().__init__()

    def work(self) -> None:
        execute_iterable(self.link, self.commands, self._job, Finalizers())

    def say(self, kind: int, epoch: int = 0, body: bytes = b"") -> None:
        self.commands.put((kind, epoch, body, ()))

    def close(self) -> None:
        self.commands.put(None)
        super().close()


class Serving(Worker):
    """A whole worker, with its listener."""

    def __init__(
        self,
        job: Job | None,
        *said: Saying,
        last_resort: Callable[[], object] | None = None,
    ) -> None:
        self._job = job
        self._last_resort = last_resort
        super().__init__(*said)

    def work(self) -> None:
        serve(self.link, self._job, last_resort=self._last_resort)

    def say(self, kind: int, epoch: int = 0, body: bytes = b"") -> None:
        self.parent.send(kind, epoch, [body])


def items_of(frame: Frame) -> list[Any]:
    """Return the items that a frame carries."""
    return items_in(frame, frame.blocks)


def make_job(
    fn: Callable[[], Any],
    *initializers: Callable[[], object],
    buffer_size: int | None = None,
    buffer_bytes: int = BUDGET,
) -> Job:
    """Make a job of callables that need not pickle."""
    return Job((fn, initializers, ()), None, buffer_size, buffer_bytes, INFO)


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """Close a worker at the end."""
    try:
        yield worker
    finally:
        worker.close()


@contextmanager
def executing(
    fn: Callable[[], Any], *initializers: Callable[[], object], **limits: int | None
) -> Iterator[Executing]:
    """Have a worker that stands by, without a listener."""
    job = make_job(fn, *initializers, **limits)  # type: ignore[arg-type]
    worker = Executing(job)
    with running(worker):
        worker.expect_ready()
        yield worker


@contextmanager
def serving(
    fn: Callable[[], Any], *, last_resort: Callable[[], object] | None = None
) -> Iterator[Worker]:
    """Have a worker that stands by, with its listener."""
    with running(Serving(make_job(fn), last_resort=last_resort)) as worker:
        worker.expect_ready()
        yield worker


def saying(job: Job) -> Saying:
    """Return the frame that carries a job."""
    return JOB, 0, dumps(tuple(job))


class Counts:
    """An iterator that counts how often it was asked to begin, which it does anew."""

    def __init__(self, most: int) -> None:
        self.most, self.begun = most, 0

    def __iter__(self) -> Counts:
        self.begun += 1
        self.left = self.most
        return self

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.begun
