"""Receiving from a worker: by several threads, by an event loop, within a time limit."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from . import _failures
from ._backends import lifetime
from ._protocol.tables import ParentState
from ._transport.interrupts import held_back, try_lock, with_lock
from .errors import ChannelClosedError, FarsideError, ProtocolError

if TYPE_CHECKING:
    from typing import Protocol

    from ._backends.base import Worker
    from ._dialogue import Dialogue
    from ._options import Options
    from ._transport.frames import Frame
    from ._turn import Turn

    class Wanted(Protocol):
        """What somebody waits for."""

        @property
        def ready(self) -> bool:
            """Whether there is no reason to wait."""


_LOOK_AGAIN = 0.01
"""Seconds after which to look whether another thread has stopped receiving."""

_FAREWELL_SECONDS = 0.25
"""How long to wait, after a failure, for a worker that is ending by itself."""


class Receiver(ABC):
    """Takes in what a worker sends. One thread at a time does, for all that wait.

    Args:
        worker: the worker.
        dialogue: what was said to it.
        turn: who has it may change anything.
        read: what to do with a note of who must not wait for the turn.

    Attributes:
        worker: the worker.
        failure: what ended the worker before its time, or None.
    """

    _options: Options

    def __init__(self, worker: Worker, dialogue: Dialogue, turn: Turn) -> None:
        self.worker = worker
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
        """Wait until something arrives. What it was is in `wanted` and in `state` afterwards."""
        with_lock(self._reading, lambda: self._receive(wanted))
        self.settle()

    def receive_now(self, wanted: Wanted) -> bool:
        """Take in what has arrived, without waiting.

        Returns:
            Whether there was anything, for this pass or another. Also False while another thread
            receives.

        Raises:
            ChannelClosedError, ProtocolError: the worker is lost. `settle` has to be told, which
                may wait.
        """
        work = partial(self._receive_now, wanted)
        return bool(held_back(lambda: try_lock(self._reading, work)))

    def settle(self, error: FarsideError | None = None) -> None:
        """Do what is left to do after a failure, if there was any. It may wait.

        Args:
            error: what `receive_now` has raised.
        """
        if error is not None:
            with_lock(self._reading, lambda: self._end_by(error))
        if self.failure is not None:
            self._let_finalize()
            # The worker is ending by itself. An iterable that nobody closes after a failure
            # should not leave a process behind, and it takes only some milliseconds.
            self.worker.channel.close()
            self.worker.wait(_FAREWELL_SECONDS)

    def expire(self, wanted: Wanted) -> None:
        """End the worker if nothing has arrived up to now: the time is up. It may wait."""
        with_lock(self._reading, lambda: None if wanted.ready else self._time_out())
        self.settle()

    @abstractmethod
    def fail(self, error: FarsideError) -> None:
        """End the worker, since something went wrong on this side."""

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

    def _receive(self, wanted: Wanted) -> None:
        if wanted.ready:
            return  # another thread has received it
        try:
            self._check_torn()
            self._prepare(wanted)
            if not self._receive_within(self._limit):
                self._time_out()
        except (ChannelClosedError, ProtocolError) as error:
            self._end_by(error)

    def _receive_now(self, wanted: Wanted) -> bool:
        self._check_torn()
        self._prepare(wanted)
        if not self._frames and not self.worker.channel.receive_now(self._frames):
            return False
        self._turn.run(self._handle_frames)
        return True

    @property
    def _limit(self) -> float | None:
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
        deadline = time.monotonic() + self._patience
        while (left := deadline - time.monotonic()) > 0:
            try:
                if try_lock(self._reading, partial(self._receive_within, left)) is None:
                    time.sleep(min(_LOOK_AGAIN, left))  # another thread receives meanwhile
            except (ChannelClosedError, ProtocolError):
                return

    def _receive_within(self, seconds: float | None) -> bool:
        """Receive, for so long at most; tell whether there was anything."""
        if not self._frames and not self.worker.channel.receive(self._frames, seconds):
            return False
        self._turn.run(self._handle_frames)
        return True

    def _handle_frames(self) -> None:
        frames = self._frames
        try:
            while frames:
                self._handle(frames.popleft())
        except ProtocolError:
            frames.clear()  # no later frame is trusted, and they may hold memory
            raise

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
            self.fail(error)
