"""A worker that is a script: the parent's side is tested with it, without process or thread.

Only the worker is made up. What waits, decides and raises is all real.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from farside import RemoteIterable
from farside._backends import registry
from farside._backends.base import Availability, Backend, ExitStatus, Worker
from farside._link.base import Link
from farside._link.frames import Frame
from farside._parent import starting
from farside._parent.client import Client
from farside._parent.options import check
from farside._parent.results import enter_iteration_mode, iterate_results
from farside._payload import pickling
from farside._payload.failure import describe
from farside._payload.items import pack
from farside._protocol.messages import Cmd, Status
from farside._system import descriptors
from farside._system.wakeup import Wakeup
from farside.errors import LinkClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from farside._memory.parts import Part
    from farside._protocol.parent_machine import ParentState

    Step: TypeAlias = Frame | BaseException | Callable[[], object] | None


_PLENTY = 1 << 20
"""Bytes: more than a pipe holds."""


class ScriptedLink(Link):
    """Gives the frames of a script, and notes what it is told.

    A script is a list of frames, of exceptions to raise, of functions to call in the thread that
    reads, and of ``None`` for a whole wait in which nothing comes. At its end the worker is gone.

    Attributes:
        script: what is left of it.
        told: what the worker was told, in order.
        acknowledged: the numbers of items that it was told were taken.
        waited_for: is set while it is told that somebody waits.
        on_send: called in the middle of each send, with the command and the number of the pass.
        closed: whether this end is closed.
        task: which input has begun, plus one, and when.
    """

    def __init__(self, *steps: Step) -> None:
        self.script: deque[Step] = deque()
        self.told: list[tuple[Any, ...]] = []
        self.acknowledged: list[tuple[int, int]] = []
        self.waited_for = threading.Event()
        self.on_send: Callable[[Cmd, int], object] = lambda *_: None
        self.closed = False
        self.task: tuple[int, float | None] = 0, None
        self._read_closed = False
        self._kept: list[tuple[Any, ...]] = []  # what found no room
        self._is_full = False
        self._there = Wakeup()  # readable while there is something to read
        self._room, self._commands = descriptors.pipe()
        os.set_blocking(self._commands.fileno(), False)
        self.then(*steps)

    def then(self, *steps: Step) -> None:
        """Let the script go on."""
        self.script.extend(steps)
        self._show()

    def fill(self) -> None:
        """Let there be no room for commands."""
        os.write(self._commands.fileno(), bytes(_PLENTY))
        self._is_full = True

    def make_room(self) -> None:
        """Let there be room again."""
        os.read(self._room.fileno(), _PLENTY)
        self._is_full = False

    def _show(self) -> None:
        if self.script and self.script[0] is None:
            self._there.clear()
        else:
            self._there.set()

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> bool:
        if self.closed:
            raise LinkClosedError("closed")
        assert not parts or kind == Cmd.CALL
        self.on_send(Cmd(kind), epoch)
        self._kept.append((Cmd(kind).name, epoch))
        self.flush()
        return not self._kept

    def begun(self, epoch: int) -> tuple[int, float | None]:  # noqa: ARG002  it is of any pass
        return self.task

    def flush(self) -> None:
        if not self._is_full:
            self.told += self._kept
            self._kept.clear()

    @property
    def congested(self) -> bool:  # type: ignore[override]
        return bool(self._kept)

    def acknowledge(self, epoch: int, total: int) -> None:
        self.acknowledged.append((epoch, total))

    def revoke(self, epoch: int) -> None:
        self.told.append(("revoke", epoch))

    def read(self, into: deque[Frame]) -> bool:
        try:
            return self._read(into)
        finally:
            self._show()

    def _read(self, into: deque[Frame]) -> bool:
        while self.script and not self._read_closed:
            if self.script[0] is None:
                return False
            step = self.script.popleft()
            if isinstance(step, Frame):
                into.append(step)
                return True
            if isinstance(step, BaseException):
                raise step
            assert step is not None
            step()
        raise LinkClosedError("the end of the script")

    def filenos(self) -> list[int]:
        return [] if self._there.closed else [self._there.fileno()]

    def room_fileno(self) -> int:
        return self._commands.fileno()

    def notice(self, fd: int) -> None:
        assert fd in self.filenos()

    def watch(self, sentinel: int) -> None:
        raise NotImplementedError

    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001
        if on:
            self.waited_for.set()
            return
        self.waited_for.clear()
        if self.script and self.script[0] is None:
            self.script.popleft()
            self._show()

    def close_reading(self) -> None:
        self.told.append(("close reading",))
        self._read_closed = True
        self._there.close()

    def close(self) -> None:
        self.closed = self._read_closed = True
        for end in (self._there, self._room, self._commands):
            end.close()


class ScriptedWorker(Worker):
    """A worker without a life of its own."""

    def __init__(self, *steps: Step) -> None:
        self.link: ScriptedLink = ScriptedLink(*steps)
        self.killed = False

    @property
    def label(self) -> str:
        return "scripted"

    def wait(self, timeout: float) -> bool:  # noqa: ARG002
        return True

    def terminate(self) -> bool:
        return True

    def kill(self) -> bool:
        self.killed = True
        return True

    def exit_status(self) -> ExitStatus:
        return ExitStatus("it was killed by SIGKILL (exit code -9)", -9, "SIGKILL")


@contextmanager
def launching(*starts: ScriptedWorker | Callable[[], ScriptedWorker]) -> Iterator[None]:
    """Let the backends "scripted" and "subprocess" start these workers, one after the other.

    Args:
        starts: the workers, or what returns them or raises.
    """
    left = deque(starts)

    class ScriptedBackend(Backend):
        name = "scripted"

        @staticmethod
        def availability() -> Availability:
            return Availability(usable=True, reason="a test has it")

        def launch(self, options: object) -> Worker:  # noqa: ARG002
            start = left.popleft()
            return start if isinstance(start, ScriptedWorker) else start()

    backends = {"scripted": ScriptedBackend, "subprocess": ScriptedBackend}
    with patch.dict(registry._BACKENDS, backends):
        yield


def client(*steps: Step, **options: Any) -> tuple[Client, ScriptedLink]:
    """Make a client whose worker stands by, and goes on with a script."""
    worker = ScriptedWorker(ready(), *steps)
    with launching(worker):
        made = Client(check(list, backend="scripted", **options))
        starting.start(made)
    return made, worker.link


def iterable(*steps: Step, **options: Any) -> tuple[RemoteIterable[Any], ScriptedLink]:
    """Make a remote iterable whose worker stands by, and goes on with a script."""
    worker = ScriptedWorker(ready(), *steps)
    with launching(worker):
        made: RemoteIterable[Any] = RemoteIterable(check(list, backend="scripted", **options))
    return made, worker.link


def worker_of(client: Client) -> ScriptedWorker:
    worker = client.members[0].worker
    assert isinstance(worker, ScriptedWorker)
    return worker


def state(client: Client) -> ParentState:
    return client.core.workers[0].state


def iterate(client: Client) -> Any:
    """Begin a pass, and return its iterator."""
    results = iterate_results(enter_iteration_mode(client))
    assert next(results) is None
    return results


# Frames ---------------------------------------------------------------------------------------


def status(kind: int, epoch: int = 0, body: bytes = b"") -> Frame:
    return Frame(kind, epoch, body)


def ready(body: bytes = b"") -> Frame:
    return status(Status.INITIALIZATION_SUCCEEDED, 0, body)


def started(epoch: int) -> Frame:
    return status(Status.ITERATION_STARTED, epoch)


def finished(epoch: int) -> Frame:
    return status(Status.ITERATION_FINISHED, epoch)


def items(epoch: int, *values: object) -> Frame:
    parts, _ = pack([pickle.dumps(value) for value in values])
    return Frame(Status.ITERATOR_SUCCESS, epoch, b"".join(parts), len(values))


def failure(kind: int, epoch: int, error: BaseException, stage: str, index: int | None) -> Frame:
    return Frame(kind, epoch, b"".join(pickling.dumps(tuple(describe(error, stage, index)))))


def refusal(kind: int, epoch: int, stage: str, index: int | None) -> Frame:
    """A failure that comes of an extension module which no subinterpreter can load."""
    error = ImportError("module _odd does not support loading in subinterpreters")
    return failure(kind, epoch, error, stage, index)


def answer(epoch: int, result: object, length: int | None = None) -> Frame:
    parts, _ = pack([pickle.dumps(result), length])
    return Frame(Status.CALL_SUCCEEDED, epoch, b"".join(parts), 2)


def report(epoch: int) -> Frame:
    threads = [("the thread that runs the iterable", [("file.py", 3, "work")])]
    return Frame(Status.STACK_REPORTED, epoch, b"".join(pickling.dumps(threads)))
