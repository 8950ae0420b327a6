"""Receiving from a worker: by several threads, by an event loop, within a time limit."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from . import _failures
from ._backends import lifetime
from ._protocol.messages import Status
from ._protocol.tables import ParentState
from ._transport.interrupts import held_back, try_lock, with_lock
from .errors import ChannelClosedError, FarsideError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ._backends.base import Worker
    from ._dialogue import Dialogue
    from ._options import Options
    from ._records import Records
    from ._transport.frames import Frame
    from ._turn import Turn

    class Wanted(Protocol):
        """What somebody waits for."""

        @property
        def ready(self) -> bool:
            """Whether there is no reason to wait."""


_LOOK_AGAIN = 0.01
"""Seconds after which to look whether another thread has stopped receiving."""

FAREWELL_SECONDS = 0.25
"""How long to wait, after a failure, for a worker that is ending by itself."""


class Receiver(ABC):
    """Takes in what a worker sends. One thread at a time does, for all that wait.

    Args:
        worker: the worker.
        dialogue: what was said to it.
        turn: who has it may change anything.
        records: what the worker's user code logs.

    Attributes:
        worker: the worker.
        failure: what ended the worker before its time, or None.
        records: what the worker's user code logs, on its way to the loggers.
    """

    _options: Options

    def __init__(self, worker: Worker, dialogue: Dialogue, turn: Turn, records: Records) -> None:
        self.worker = worker
        self.records = records
        self.failure: FarsideError | None = None
        self._dialogue = dialogue
        self._turn = turn  # never held while waiting for the worker
        self._frames: deque[Frame] = deque()  # received, not yet handled
        self._reading = threading.RLock()

    @property
    def state(self) -> ParentState:
        """Where the parent's machine is."""
        return self._dialogue.state

    @property
    def public_state(self) -> str:
        """Where the worker is, in the words of `RemoteIterable.state`."""
        return self._dialogue.public_state

    def receive(self, wanted: Wanted) -> None:
        """Wait until something arrives. What it was is in `wanted` and in `state` afterwards.

        Records are delivered meanwhile; the time limit holds for everything else.
        """
        if self._is_foreign():
            return
        limit = self.limit
        deadline = None if limit is None else time.monotonic() + limit
        receive = partial(self._receive, wanted, deadline)
        while with_lock(self._reading, receive):
            self.records.deliver()
        self.settle()

    def receive_now(self, wanted: Wanted) -> bool:
        """Take in what has arrived, without waiting.

        Returns:
            Whether there was anything but records, for this pass or another. Also False while
            another thread receives.

        Raises:
            ChannelClosedError, ProtocolError: the worker is lost. `settle` has to be told, which
                may wait.
        """
        if self._is_foreign():
            return True
        work = partial(self._receive_now, wanted)
        came = bool(held_back(lambda: try_lock(self._reading, work)))
        self.records.deliver()
        return came

    def settle(self, error: FarsideError | None = None) -> None:
        """Do what is left to do after a failure, if there was any, and deliver records.

        It may wait.

        Args:
            error: what `receive_now` has raised.
        """
        if error is not None:
            with_lock(self._reading, lambda: self._end_by(error))
        if self.failure is not None:
            self._let_finalize()
            # The worker is ending by itself. An iterable that nobody closes after a failure
            # should not leave a process behind, and it takes only some milliseconds.
            problems: list[Exception] = []
            self._hear_out(FAREWELL_SECONDS, partial(self.records.deliver_all, problems))
            self.worker.channel.close()
            self.worker.wait(FAREWELL_SECONDS)
            if problems:
                raise problems[0]
        self.records.deliver()

    def expire(self, wanted: Wanted) -> None:
        """End the worker if nothing has arrived up to now: the time is up. It may wait."""
        with_lock(self._reading, lambda: None if wanted.ready else self._time_out())
        self.settle()

    @abstractmethod
    def fail(self, error: FarsideError) -> None:
        """End the worker, since something went wrong on this side."""

    @abstractmethod
    def _fail(self, error: FarsideError) -> None:
        """Do so while receiving: records are not delivered."""

    @abstractmethod
    def _prepare(self, wanted: Wanted) -> None:
        """Do what has to be done before something is received."""

    @abstractmethod
    def _handle(self, frame: Frame) -> None:
        """Take a frame in, with the turn."""

    @abstractmethod
    def _lose(self) -> None:
        """Find out why the channel has closed."""

    @abstractmethod
    def _time_out(self) -> None:
        """End the worker, which has said nothing for too long."""

    def _receive(self, wanted: Wanted, deadline: float | None) -> bool:
        """Wait until something arrives; tell whether to wait on, since it was records alone."""
        if wanted.ready:
            return False  # another thread has received it
        try:
            self._check_torn()
            self._prepare(wanted)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if self._frames or self.worker.channel.receive(self._frames, left):
                return self._turn.run(self._handle_frames)
            self._time_out()
        except (ChannelClosedError, ProtocolError) as error:
            self._end_by(error)
        return False

    def _receive_now(self, wanted: Wanted) -> bool:
        self._check_torn()
        self._prepare(wanted)
        if not self._frames and not self.worker.channel.receive_now(self._frames):
            return False
        return not self._turn.run(self._handle_frames)

    @property
    def limit(self) -> float | None:
        """For how many seconds the worker may say nothing."""
        if self.state is ParentState.INITIALIZATION:
            return self._options.init_timeout
        return self._options.timeout

    @property
    def _patience(self) -> float:
        """For how many seconds a worker that has failed may go on with its finalizers."""
        return self._options.shutdown_timeout / 2 if self._options.finalizers else 0.0

    def _let_finalize(self) -> None:
        """Wait for the end of a worker that has failed and has finalizers to run."""
        with suppress(ChannelClosedError, ProtocolError):
            self._receive_until(lambda: False, self._patience)

    def _receive_until(self, done: Callable[[], bool], seconds: float) -> None:
        """Receive until something has come, for so long at most, also beside a thread that does.

        Raises:
            ChannelClosedError: the worker is gone.
            ProtocolError: what came is no frame, or not one that may come now.
        """
        deadline = time.monotonic() + seconds
        while not done() and (left := deadline - time.monotonic()) > 0:
            if try_lock(self._reading, partial(self._receive_within, left)) is None:
                time.sleep(min(_LOOK_AGAIN, left))  # it keeps the lock as long as it likes

    def _receive_within(self, seconds: float) -> bool:
        """Receive, for so long at most; tell whether anything came."""
        came = bool(self._frames) or self.worker.channel.receive(self._frames, seconds)
        if came:
            self._turn.run(self._handle_frames)
        return came

    def _handle_frames(self) -> bool:
        """Take the frames in that have come; tell whether they were records alone."""
        frames, records_alone = self._frames, True
        try:
            while frames:
                frame = frames.popleft()
                if frame.kind == Status.RECORDS_EMITTED:  # whatever else is going on
                    self._dialogue.hear(frame)
                    self.records.add(frame.body)
                else:
                    records_alone = False
                    self._handle(frame)
        except ProtocolError:
            frames.clear()  # no later frame is trusted, and they may hold memory
            raise
        return records_alone

    def _hear_out(self, seconds: float, deliver: Callable[[], object]) -> None:
        """Take in what the worker's user code still logs, until the worker ends.

        What else comes is dropped. A worker that is blocked in sending goes on meanwhile.

        Args:
            seconds: how long, at most.
            deliver: called whenever something has come.
        """
        if not self.records.wanted or self._dialogue.foreign_to:
            return
        deadline = time.monotonic() + seconds
        self.worker.channel.interrupt()  # a thread that waits for items does so in vain
        try:
            while (left := deadline - time.monotonic()) > 0:
                with_lock(self._reading, partial(self._receive_within, left))
                deliver()
        except (ChannelClosedError, ProtocolError):
            pass  # that was all

    def _is_foreign(self) -> bool:
        """Tell whether this is a forked child, and end what waits if it is.

        It is asked before any lock: another thread of the parent may have had that as it forked.
        """
        if not self._dialogue.foreign_to:
            return False
        self._lose()
        return True

    def _check_torn(self) -> None:
        if self._turn.torn and self._dialogue.state is not ParentState.DONE:
            raise _failures.torn()

    def _end_if_torn(self) -> None:
        try:
            self._check_torn()
        except ProtocolError as error:
            self.fail(error)

    def _end_by(self, error: FarsideError) -> None:
        if isinstance(error, ChannelClosedError):
            lifetime.park_at_exit()
            self._lose()
        else:
            self._fail(error)
