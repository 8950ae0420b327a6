"""The inline backend: the iterable runs in the thread that loops over it. For debugging and tests.

The protocol, pickling and errors are as with other workers. But nothing runs beside the loop: the
worker runs while the parent waits for it, and only then.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._link.base import Link
from .._link.frames import Frame
from .._link.worker_base import WorkerLink
from .._memory.parts import Part, Ref
from .._payload.job import Job
from .._system.signals import try_lock, with_lock
from .._worker.listener import Commands
from .._worker.stepwise import Stepwise
from ..errors import LinkClosedError
from . import callables, preparation
from .base import Availability, Backend, ExitStatus, Worker

if TYPE_CHECKING:
    from .._parent.options import Options


class InlineBackend(Backend):
    name = "inline"

    @staticmethod
    def availability() -> Availability:
        return Availability(usable=True, reason="runs in the calling thread, for debugging")

    def launch(self, options: Options) -> InlineWorker:
        # Pickled nevertheless: fn is a copy, and what other workers refuse is refused here too.
        call = callables.pack_call(options, main_importable=True, here=True)
        # Loading takes the pickle out of this list: it may be large, and the job stays in memory.
        given: Any = [call] if isinstance(call, bytes) else call.call
        job = preparation.job_of(options, given, backend=self.name)
        # The worker uses the parent's own loggers: a forwarded record would come back to them.
        return InlineWorker(job._replace(forward_logs=False))


class InlineWorker(Worker):
    beside = False
    label = "in the calling thread"

    def __init__(self, job: Job) -> None:
        self.link: InlineLink = InlineLink(job)

    @property
    def silent(self) -> bool:  # type: ignore[override]  # nobody sets it
        return self.link.at_work_here

    def wait(self, timeout: float) -> bool:
        return self.link.wait(timeout)

    def stop(self, timeout: float, *, waited: float = 0.0) -> bool:
        self.link.close()  # it notices a command only while somebody waits for it
        return super().stop(timeout, waited=waited)

    def exit_status(self) -> ExitStatus:
        return ExitStatus("it was closed")


class InlineWorkerLink(WorkerLink):
    """The worker's side of the link: what it sends arrives at once."""

    attention: Sequence[int] = (1,)  # it looks for commands after each item
    alerted = attention
    arena = None

    def __init__(self, frames: deque[Frame]) -> None:
        self._frames = frames
        self.begun = [0, 0, 0]

    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
        wait: bool = True,  # noqa: ARG002  there is always room
    ) -> bool:
        assert not refs  # there is no arena
        self._frames.append(Frame(kind, epoch, bytearray().join(parts), count))
        return True

    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:  # noqa: ARG002  there is always room
        return self.send(kind, epoch, parts)

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

    def acknowledged(self, epoch: int) -> int:
        raise NotImplementedError  # it never runs ahead

    def wait_for_credit(self, epoch: int, total: int) -> bool:
        raise NotImplementedError

    def wait_for_parent(self, epoch: int, made: int) -> bool:  # noqa: ARG002
        return True  # as `parent_waits`


class InlineLink(Link):
    """The parent's side of the link: `go_on` runs the worker."""

    def __init__(self, job: Job) -> None:
        self._frames: deque[Frame] = deque()
        self._link = InlineWorkerLink(self._frames)
        self._commands = Commands(self._link)
        self._worker = Stepwise(self._link, self._commands, job)
        self._working = threading.RLock()
        self._at_work = False
        self._receiving = True
        self._open = True
        self._ended = False

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> bool:
        if not self._open:
            raise LinkClosedError("this side was closed")
        self._commands.hear(kind, epoch, bytearray().join(parts))
        return True

    @property
    def _is_live(self) -> bool:
        return self._receiving and self._open and not self._worker.done

    @property
    def at_work_here(self) -> bool:
        """Whether this thread is inside a step of the worker, as when a signal handler asks."""
        return bool(try_lock(self._working, lambda: self._at_work))

    def go_on(self) -> None:
        while self._is_live and not self._frames:
            with_lock(self._working, self._step)
            if self.idle:
                return  # another worker of this thread may have something to do

    def read(self, into: deque[Frame]) -> bool:
        if self._frames and self._receiving and self._open:
            into.append(self._frames.popleft())
            return True
        if self._is_live:
            return False
        raise LinkClosedError("this side was closed")

    @property
    def idle(self) -> bool:  # type: ignore[override]  # nobody sets it
        return not self._frames and (self._at_work or self._worker.idle)

    def filenos(self) -> tuple[int, ...]:
        return ()  # the worker runs in the thread that reads, or not at all

    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        pass

    def _step(self) -> None:
        if self._at_work:
            raise RuntimeError(
                "a worker in the calling thread is waited for in its own code, by a signal handler "
                "perhaps; only close it there"
            )
        self._at_work = True
        try:
            if not self._ended:  # a signal handler may have closed it just before
                self._worker.step()
        except BaseException:
            if self._worker.starting:
                self._open = False  # it must not begin a second time
            raise
        finally:
            self._at_work = False
            if not self._open:
                self._end()

    def acknowledge(self, epoch: int, total: int) -> None:
        pass  # the worker never runs ahead

    def revoke(self, epoch: int) -> None:
        pass  # and so it never waits

    def close_reading(self) -> None:
        self._receiving = False

    def close(self) -> None:
        self._open = False
        self.wait(0)

    def wait(self, timeout: float) -> bool:
        """Return whether the worker has ended; end it if it was closed, unless it is at work."""
        # A worker that was closed while it is at work in this very thread counts as ended: the step
        # in which user code has closed it is its last.
        if self._open:  # a reader may still want its last frames
            return self._ended
        return try_lock(self._working, self._end, max(0.0, timeout)) or self._ended

    def _end(self) -> bool:
        """End the worker, unless it is at work. Called with the lock. Returns True, for `wait`."""
        if not self._at_work and not self._ended:
            self._ended = True
            self._frames.clear()
            self._worker.end()
        return True  # else it is at work in this thread, and ends after this step
