"""Receives commands in a thread of its own, while user code runs.

When the worker has to end (ABORT, or the parent is gone) and user code goes on, SystemExit is
raised in that code (see `threads`). If the code blocks in C, a subprocess ends itself when the
parent is gone.
"""

from __future__ import annotations

import time
from _queue import Empty, SimpleQueue  # without the Python around it: that is start-up time
from itertools import repeat
from struct import pack

from .._in_c import Lock, deque
from .._payload.pickling import dumps, loads
from .._protocol.messages import Cmd
from .._protocol.worker import ASIDES
from .._system.signals import try_lock, with_lock
from ..errors import LinkClosedError, ProtocolError
from .finalizers import Finalizers
from .stacks import report
from .tasks import Tasks
from .threads import Interruptible, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from .._link.frames import Frame
    from .._link.worker_base import WorkerLink
    from .._memory.parts import Part
    from .._payload.pickling import Body

    Command: TypeAlias = tuple[int, int, Body, Sequence[memoryview]]

_PATIENCE = (0.05, 0.2, 0.2)
"""Seconds before each SystemExit. The first leaves time for an orderly end. The others are for code
that swallows the exception, and leave time for ``finally`` blocks. There are only so many, since a
subinterpreter whose threads still run Python code crashes a process that exits."""

_LATE = (0.0, 0.2, 0.2)  # seconds before each SystemExit in a finalizer that takes too long

_GRACE = 0.4
"""Seconds for what follows user code, if finalizers have no time of their own, or the parent is
gone; and then once more until a subprocess without a parent ends itself."""


class Commands:
    """The queue of commands for the thread that runs the iterable.

    While any may wait, the link's `attention` is set: the loop over the items looks at nothing
    else.
    """

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._queue: SimpleQueue[Command | None] = SimpleQueue()
        self._first: list[Command | None] = []  # what `peek` has returned and nobody has taken
        self.tasks = Tasks()  # what that thread runs
        self.taking = Lock()  # held while it takes a command and adds the tasks of that to `tasks`
        self.leaving = 0.0  # seconds for closing the user's iterators; 0 while none are closed

    def hear(self, kind: int, epoch: int, body: Body, blocks: Sequence[memoryview] = ()) -> None:
        """Add a command that has come; but answer an aside at once, as it changes no state."""
        if kind not in ASIDES:
            self.put((kind, epoch, body, blocks))
            return
        if kind == Cmd.RETURN_TASKS:
            numbers = sorted(self.take_back())
            answer: Sequence[Part] = [pack(f"<{len(numbers)}Q", *numbers)]
        else:
            try:
                answer = dumps(report())
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                answer = dumps([(f"the stacks cannot be told ({why})", [])])
        self._link.send(ASIDES[Cmd(kind)], epoch, answer)

    def put(self, command: Command | None) -> None:
        """Add a command: its kind, epoch, body and blocks; None: the parent is gone."""
        self._queue.put(command)
        self._link.alert(True)

    def take_back(self) -> list[int]:
        """Take back tasks that were not begun; return their numbers. The thread that puts calls it.

        Return none while the other thread takes a command. The tasks taken back are always the
        latest ones. Otherwise the parent could take the result of a later task for that of an
        earlier one, since results have no label. A command that has brought tasks stays in the
        queue, without them: the other thread may have seen that there is a command, and would wait
        for it before sending what it has made.
        """
        return try_lock(self.taking, self._take_back) or []

    def _take_back(self) -> list[int]:
        found: deque[Command | None] = deque()
        try:
            found.extend(map(SimpleQueue.get_nowait, repeat(self._queue)))
        except Empty:
            pass
        tasks = self.tasks.take_back()
        for command in found:
            if command is not None and command[0] == Cmd.GIVE_TASKS:
                tasks += loads(*command[2:])
                command = *command[:2], b"".join(dumps(())), ()  # noqa: PLW2901  it is the same one
            self.put(command)
        return [first + number for first, *_, inputs in tasks for number in range(len(inputs))]

    def take(self) -> Command | None:
        """Wait for the next command, and take it."""
        return with_lock(self.taking, self.get)

    def get(self) -> Command | None:
        return self._first.pop() if self._first else self._queue.get()

    def peek(self) -> Command | None:
        """Wait for the next command, and return it without taking it."""
        if not self._first:  # one call of C code, as in `Inbox.take_from`
            self._first.extend(map(SimpleQueue.get, (self._queue,)))
        return self._first[0]

    def empty(self) -> bool:
        """Tell whether no command waits; clear the attention then."""
        if not self._first and self._queue.empty():
            self._link.alert(False)
            if self._queue.empty():
                return True
            self._link.alert(True)  # some have come in between, perhaps before that
        return False


class CommandListener:
    """Receives commands and queues them for the thread that runs the iterable."""

    def __init__(
        self, link: WorkerLink, received: deque[Frame], last_resort: Callable[[], object] | None
    ) -> None:
        self.commands = Commands(link)
        self._link = link
        self._frames = received
        self._last_resort = last_resort  # ends the process; None: the worker must not end it
        self.iteration = Interruptible()
        self.finalization = Interruptible()
        self.finalizers = Finalizers()

    def start(self) -> None:
        self._thread = start(self._run, "farside-listener")

    def _run(self) -> None:
        lost, begin = self._listen(), time.monotonic()

        def closing() -> float:
            left = begin + self.commands.leaving - time.monotonic()
            return 0.0 if lost else max(0.0, left)

        self.iteration.interrupt(_PATIENCE, closing)
        if not self.finalization.ended.wait((not lost and self.finalizers.seconds) or _GRACE):
            self.finalizers.expired = True  # no more are run
            self.finalization.interrupt(_LATE)
        if self._last_resort is not None:
            try:
                while not lost:  # the parent is there
                    self._link.receive(self._frames)
            except Exception:  # noqa: S110  LinkClosedError, for the most part
                pass
            time.sleep(_GRACE)  # the process ends meanwhile, and this thread with it; or else:
            self._last_resort()

    def _listen(self) -> bool:
        """Queue commands until ABORT or the end of the stream; tell whether it was the latter."""
        try:
            while True:
                while self._frames:
                    if self._hear(self._frames.popleft()):
                        return False
                self._link.receive(self._frames)
        except (LinkClosedError, ProtocolError):
            self.commands.put(None)
        except Exception:  # MemoryError, say: no command is received any more
            self.commands.put(None)
            try:
                import traceback  # only when something fails

                traceback.print_exc()
            except Exception:  # noqa: S110  there is no memory for that either
                pass
        return True

    def _hear(self, frame: Frame) -> bool:
        """Queue or answer a command; tell whether it is the last. No variable keeps its body."""
        self.commands.hear(frame.kind, frame.epoch, frame.body, frame.blocks)
        return frame.kind == Cmd.ABORT
