"""A worker that is a script: the parent's side is tested with it, without process or thread."""

from __future__ import annotations

import pickle
from collections import deque
from typing import TYPE_CHECKING, Any

from farside._backends.base import ExitStatus, Worker
from farside._options import check
from farside._passes import enter_iteration_mode, iterate_results
from farside._protocol.messages import Cmd, Status
from farside._session import Session
from farside._transport import codec
from farside._transport.channel import ParentChannel
from farside._transport.frames import Frame
from farside._transport.items import pack
from farside._worker.failure import describe
from farside.errors import ChannelClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from farside._transport.codec import Part
    from farside._transport.readiness import Readiness


class ScriptedChannel(ParentChannel):
    """Gives the frames of a script, and notes what it is told.

    A script is a list of frames, of exceptions to raise, of functions to call while the parent
    waits, and of ``None`` for a wait that takes too long. At its end the worker is gone.
    """

    def __init__(self) -> None:
        self.script: deque[Frame | BaseException | Callable[[], object] | None] = deque()
        self.told: list[tuple[Any, ...]] = []
        self.taken: list[tuple[int, int]] = []
        self.closed = False

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> None:
        if self.closed:
            raise ChannelClosedError("closed")
        assert not parts or kind == Cmd.CALL
        self.told.append((Cmd(kind).name, epoch))

    def take(self, epoch: int, total: int) -> None:
        self.taken.append((epoch, total))

    def revoke(self, epoch: int) -> None:
        self.told.append(("revoke", epoch))

    def receive(self, into: deque[Frame], timeout: float | None) -> bool:
        while self.script and not self.closed:
            step = self.script.popleft()
            if step is None:
                assert timeout is not None
                return False
            if isinstance(step, Frame):
                into.append(step)
                return True
            if isinstance(step, BaseException):
                raise step
            step()
        raise ChannelClosedError("the end of the script")

    def receive_now(self, into: deque[Frame]) -> bool:
        """Take the next step of the script if it is a frame or an error."""
        if self.script and isinstance(self.script[0], (Frame, BaseException)):
            return self.receive(into, 0)
        if not self.script:
            raise ChannelClosedError("the end of the script")
        return False

    def readiness(self) -> Readiness:
        raise NotImplementedError

    def patience(self) -> float:
        return 0.0

    def ask(self, on: bool) -> None:  # noqa: FBT001
        self.told.append(("ask", on))

    def watch(self, sentinel: int) -> None:
        raise NotImplementedError

    def interrupt(self) -> None:
        pass  # nobody waits

    def stop_receiving(self) -> None:
        self.told.append(("stop receiving",))

    def close(self) -> None:
        self.closed = True


class ScriptedWorker(Worker):
    """A worker without a life of its own."""

    def __init__(self) -> None:
        self.channel: ScriptedChannel = ScriptedChannel()
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


def session(**options: Any) -> tuple[Session, ScriptedChannel]:
    """Make a session whose worker stands by."""
    worker = ScriptedWorker()
    made = Session(worker, "scripted", check(list, backend="auto", **options))
    worker.channel.script.append(status(Status.INITIALIZATION_SUCCEEDED))
    made.await_initialization()
    return made, worker.channel


def status(kind: int, epoch: int = 0, body: bytes = b"") -> Frame:
    return Frame(kind, epoch, body)


def items(epoch: int, *values: object) -> Frame:
    parts, _ = pack([pickle.dumps(value) for value in values])
    return Frame(Status.ITERATOR_SUCCESS, epoch, b"".join(parts), len(values))


def failure(kind: int, epoch: int, error: BaseException, stage: str, index: int | None) -> Frame:
    return Frame(kind, epoch, b"".join(codec.dumps(tuple(describe(error, stage, index)))))


def iterate(session: Session) -> Any:
    """Begin a pass, and return its iterator."""
    results = iterate_results(session, enter_iteration_mode(session), lambda _: None)
    assert next(results) is None
    return results
