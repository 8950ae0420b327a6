"""One worker of a client, also before it is started."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from .._backends.base import Worker
from .._link.frames import Frame
from .._memory.parts import Part, Ref
from .._payload.pickling import dumps_beside
from .._protocol.effects import Ending
from .._protocol.inbox import nbytes_of
from ..errors import LinkClosedError
from .logs import show
from .options import Options
from .passes.sequence import Part as PartOfPass


class Member:
    """A worker and its link, and what is kept for it until they exist."""

    def __init__(self, index: int, options: Options) -> None:
        self.index = index
        self.backend = ""
        self.worker: Any = None  # None before it is started
        self.link: Any = None
        # Methods of the link. Until it exists, acknowledgements are kept; the others do nothing.
        self._early = _EarlyAcknowledgements()  # it does not refer to this member: no cycle
        self.acknowledge: Callable[[int, int], object] = self._early.add
        self.revoke: Callable[[int], object] = lambda _: None
        self.tell_waiting: Callable[[bool], object] = lambda _: None
        self.frames: deque[Frame] = deque()  # read from it, and not handled yet
        self.streaming = False  # what its link said of itself when it was last read
        self.gone = False  # its stream has ended, or nobody reads from it any more
        self.released = False  # the way up from it is closed
        self.left_behind = False  # it was told to end, and has not
        self.cut_off = False  # its finalizers may have been, and the user was not told
        self.launched: float | None = None  # when it was started
        self.startup_seconds = 0.0  # how long it took to stand by, `tried` included
        self.tried = 0.0  # seconds spent on starting workers that a fallback has replaced
        # Why it has failed, and a function that returns the exception for that, or None once nobody
        # keeps the exception. `part` is the shard that it was at, if the loop knows.
        self.failure: tuple[Ending, Callable[[], BaseException | None]] | None = None
        self.part: PartOfPass | None = None
        self.options = options
        self._unsent: list[tuple[int, int, Sequence[Part]]] = []

    def attach(self, worker: Worker) -> None:
        """Attach the worker that was started, and send it what was kept for it."""
        self.worker, self.link = worker, worker.link
        self.revoke, self.tell_waiting = self.link.revoke, self.link.tell_waiting
        self._early.pass_on_to(self.link)
        self.acknowledge = self.link.acknowledge
        unsent, self._unsent = self._unsent, []
        with suppress(LinkClosedError):  # it is gone already: reading tells how
            for kind, epoch, parts in unsent:
                self.send(kind, epoch, parts)

    def error_of(self, ending: Ending) -> BaseException | None:
        """Return the exception that was made for this ending, if it still exists."""
        known = self.failure
        return known[1]() if known is not None and known[0] is ending else None

    @property
    def name(self) -> str:
        """What to call the worker in messages."""
        own = "" if self.options.name is None else f"{self.options.name!r} "
        return f"{self.backend} worker {own}({self.label})"

    @property
    def label(self) -> str:
        """What to call it, such as ``"pid 4711"``."""
        return "not started" if self.worker is None else self.worker.label

    @property
    def no_stack(self) -> str:
        """What to say if the worker does not report its stacks."""
        return (self.worker or Worker).no_stack

    @property
    def congested(self) -> bool:
        return self.link is not None and self.link.congested

    def send(
        self, kind: int, epoch: int, parts: Sequence[Part] = (), refs: Sequence[Ref] = ()
    ) -> bool:
        """Send a command; return whether all was sent. If the worker is gone: LinkClosedError."""
        if self.link is None:
            self._unsent.append((kind, epoch, parts))
            return True
        if self.worker.observer is not None:
            nbytes = sum(memoryview(part).nbytes for part in parts)
            self.worker.observer("down", kind, epoch, 0, nbytes)
        of_arena = {"refs": refs} if refs else {}  # a link without an arena takes no refs
        sent: bool = self.link.send(kind, epoch, parts, **of_arena)
        return sent

    def send_content(self, kind: int, epoch: int, content: object) -> bool:
        """Send a command with plain values, which may include large buffers; see `send`."""
        arena = None if self.link is None else self.link.arena
        return self.send(kind, epoch, *dumps_beside(content, arena))

    def observe(self) -> None:
        """Report the frames that were read to the worker's observer."""
        for frame in self.frames:
            nbytes = nbytes_of(frame)
            self.worker.observer("up", frame.kind, frame.epoch, frame.items, nbytes)

    def show(self, record: bytes | bytearray | memoryview) -> None:
        """Give a record or warning of the worker to the user's loggers; see `logs`."""
        origin = {"worker_name": self.name, "worker_backend": self.backend}
        show(record, {**origin, "worker_label": self.label})


class _EarlyAcknowledgements:
    """Keeps the latest acknowledgement until there is a link."""

    def __init__(self) -> None:
        self._latest = deque[tuple[int, int]]((), 1)
        self._link: Any = None

    def add(self, epoch: int, total: int) -> None:
        self._latest.append((epoch, total))
        if self._link is not None:  # another thread has just got here first
            self._link.acknowledge(epoch, total)

    def pass_on_to(self, link: Any) -> None:
        """Acknowledge to a link what was kept, and what a loop in another thread adds meanwhile."""
        self._link, told = link, None
        while self._latest and self._latest[-1] is not told:  # so the latest is told last
            told = self._latest[-1]
            link.acknowledge(*told)
