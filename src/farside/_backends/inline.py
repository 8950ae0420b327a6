"""Workers that are no workers: the iterable runs in the thread that loops over it.

For debugging and tests. Everything is as with other workers (the protocol, pickling, errors), but
nothing runs beside the loop: the worker goes on while the parent waits for it, and only then.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from .._transport.channel import ParentChannel, WorkerChannel
from .._transport.descriptors import Bell
from .._transport.frames import Frame
from .._transport.interrupts import with_lock
from .._transport.readiness import Readiness
from .._worker.listener import Commands, answer_aside
from .._worker.stepwise import Stepwise
from ..errors import ChannelClosedError
from . import surroundings
from .base import Availability, Backend, ExitStatus, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._options import Options
    from .._transport.codec import Part
    from .._transport.frames import Ref
    from .._worker.job import Job


class InlineBackend(Backend):
    """Runs iterables in the thread that loops over them."""

    name = "inline"

    @staticmethod
    def availability() -> Availability:
        return Availability(usable=True, reason="runs in the calling thread, for debugging")

    def start(self, options: Options) -> InlineWorker:
        # Pickled all the same: what other workers refuse is refused here, and fn is a copy.
        call = surroundings.pack_call(options, main_importable=True)
        name = surroundings.name_of(options)
        job = surroundings.job_of(options, call, None, backend=self.name, name=name)
        # Loggers and warnings are the parent's own: a record that it is given would come back.
        return InlineWorker(job._replace(forward_logs=False))


class InlineWorker(Worker):
    """A worker that goes on when its parent waits for it."""

    def __init__(self, job: Job) -> None:
        self.channel: InlineParentChannel = InlineParentChannel(job)

    @property
    def label(self) -> str:
        return "in the calling thread"

    def wait(self, timeout: float) -> bool:
        return self.channel.wait(timeout)

    def terminate(self) -> bool:
        return False

    def kill(self) -> bool:
        return False

    def exit_status(self) -> ExitStatus:
        return ExitStatus("it was closed")


class InlineWorkerChannel(WorkerChannel):
    """The worker's side: what it sends is there at once."""

    attention: Sequence[int] = (1,)  # it looks up after each item
    arena = None

    def __init__(self, frames: deque[Frame]) -> None:
        self._frames = frames

    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
    ) -> None:
        assert not refs  # there is no arena
        self._frames.append(Frame(kind, epoch, bytearray().join(parts), count))

    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:  # noqa: ARG002  there is always room
        self.send(kind, epoch, parts)
        return True

    def flush(self) -> None:
        pass

    def retire(self) -> None:
        pass

    def receive(self, into: deque[Frame]) -> None:
        raise NotImplementedError  # commands are put where the listener would put them

    def alert(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        pass

    def parent_waits(self) -> bool:
        return True  # nothing runs otherwise

    def taken(self, epoch: int) -> int:
        raise NotImplementedError  # it never runs ahead

    def await_taken(self, epoch: int, total: int) -> bool:
        raise NotImplementedError


class InlineParentChannel(ParentChannel):
    """The parent's side: to receive is to let the worker go on."""

    def __init__(self, job: Job) -> None:
        self._frames: deque[Frame] = deque()
        self._channel = InlineWorkerChannel(self._frames)
        self._commands = Commands(self._channel)
        self._worker = Stepwise(self._channel, self._commands, job)
        self._working = threading.RLock()
        self._steps = 0  # that are being taken: user code may get here again
        self._receiving = True
        self._interrupted = False
        self._ready: Bell | None = None  # for event loops
        self._open = True
        self._ended = False

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        if not self._open:
            raise ChannelClosedError("this side was closed")
        if not answer_aside(self._channel, kind, epoch):
            self._commands.put((kind, epoch, bytearray().join(parts)))

    def receive(self, into: deque[Frame], timeout: float | None) -> bool:  # noqa: ARG002  nobody can interrupt
        while self._receiving and self._open:
            if self._interrupted:
                self._interrupted = False
                return True
            if self._frames:
                into.append(self._frames.popleft())
                return True
            if self._worker.done:
                break
            with_lock(self._working, self._step)
        raise ChannelClosedError("this side was closed")

    def receive_now(self, into: deque[Frame]) -> bool:
        return self.receive(into, None)  # the worker goes on in this thread, or not at all

    def readiness(self) -> Readiness:
        if not self._open:
            raise ChannelClosedError("this side was closed")
        if self._ready is None:
            self._ready = Bell()
            self._ready.ring()  # there is always something to receive, once the worker goes on
        return Readiness([self._ready.fileno()])

    def patience(self) -> float:
        return 0.0

    def ask(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        pass

    def interrupt(self) -> None:
        self._interrupted = True

    def _step(self) -> None:
        waits = self.waits
        if waits is not None:
            waits.begin()
        self._steps += 1
        try:
            self._worker.step()
        finally:
            self._steps -= 1
            if waits is not None:
                waits.end()
            if not self._open:
                self._end()

    def take(self, epoch: int, total: int) -> None:
        pass  # the worker never runs ahead

    def revoke(self, epoch: int) -> None:
        pass  # and so it never waits

    def watch(self, sentinel: int) -> None:
        raise NotImplementedError  # there is no process that could end

    def stop_receiving(self) -> None:
        self._receiving = False

    def close(self) -> None:
        self._open = False
        if self._working.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._working.release()

    def wait(self, timeout: float) -> bool:
        """End the worker, unless it is at work; tell whether it has ended."""
        self._open = False
        if self._working.acquire(timeout=max(0.0, timeout)):
            try:
                self._end()
            finally:
                self._working.release()
        return self._ended

    def _end(self) -> None:
        if not self._steps and not self._ended:
            self._ended = True
            self._frames.clear()
            if self._ready is not None:
                self._ready.close()
            self._worker.end()
