"""One worker, from its start to its end: the parent's I/O loop.

The protocol's tables decide, through `ParentMachine`; this module carries out what they say.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from . import _failures
from ._backends import lifetime
from ._passes import Pass
from ._protocol.messages import EXHAUSTED, Cmd
from ._protocol.parent import ParentMachine
from ._protocol.tables import ParentAction, ParentEvent, ParentState
from ._transport.interrupts import held_back, try_lock, with_lock
from ._turn import Turn
from .errors import (
    ChannelClosedError,
    FarsideError,
    IterableClosedError,
    ProtocolError,
)

if TYPE_CHECKING:
    from ._backends.base import Worker
    from ._options import Options
    from ._transport.frames import Frame

_FAREWELL_SECONDS = 0.25
"""How long to wait, after a failure, for a worker that is ending by itself."""


_STATES = {
    ParentState.INITIALIZATION: "initialization",
    ParentState.STAND_BY: "stand by",
    ParentState.STARTING: "iteration",
    ParentState.ITERATION: "iteration",
    ParentState.STOPPING: "stopping",
    ParentState.CALLING: "call",
    ParentState.DONE: "closed",
}


class Session:
    """One worker and what the parent knows of it.

    Any thread may call any method: the machine and the commands belong to whoever has the turn
    (`_turn`), and one thread at a time receives.

    Attributes:
        worker: the worker.
        backend: name of its backend.
        failure: what ended the worker before its time, or None.
        refused: the extension module that refused to load in the subinterpreter, or None.
        delivered: whether any item of any pass was taken.
        counts_items: whether the worker has to know of each item that is taken.
    """

    def __init__(self, worker: Worker, backend: str, options: Options) -> None:
        self.worker = worker
        self.backend = backend
        self.failure: FarsideError | None = None
        self.refused: str | None = None
        self.delivered = False
        self.counts_items = options.buffer_size is not None
        self._options = options
        self._machine = ParentMachine()
        self._frames: deque[Frame] = deque()  # received, not yet handled
        self._pass = Pass(0)
        self._turn = Turn(self._stop)  # never held while waiting for the worker
        self._reading = threading.RLock()
        self._owner = os.getpid()

    @property
    def state(self) -> ParentState:
        """Where the parent's machine is."""
        return self._machine.state

    @property
    def public_state(self) -> str:
        """Where the worker is, in the words of `RemoteIterable.state`."""
        return "closed" if self._foreign_to else _STATES[self.state]

    @property
    def name(self) -> str:
        """What to call the worker in messages."""
        return f"{self.backend} worker ({self.worker.label})"

    @property
    def _foreign_to(self) -> int | None:
        """The process that the worker belongs to, if this one is a forked child of it."""
        return None if os.getpid() == self._owner else self._owner

    # Passes ---------------------------------------------------------------------------------

    def await_initialization(self) -> None:
        """Wait until the worker stands by.

        Raises:
            FarsideError: it failed, died, or took too long.
        """
        while self.state is ParentState.INITIALIZATION:
            self.receive(self._pass)
        if self.failure is not None:
            raise self.failure

    def start_pass(self) -> Pass:
        """Begin a pass; one that is still open is superseded.

        Raises:
            IterableClosedError: there is no worker any more.
        """
        if self._turn.torn and self.state is not ParentState.DONE:
            self.fail(_failures.torn())
        return self._turn.run(self._start_pass)

    def stop_pass(self, epoch: int) -> None:
        """Leave a pass, if it is the present one and not over. Never waits.

        It may be called from a finalizer, in the middle of anything that this or another thread
        does here.
        """
        self._turn.note(epoch)

    def receive(self, wanted: Pass) -> None:
        """Wait until something arrives. What it was is in `wanted` and in `state` afterwards."""
        with_lock(self._reading, lambda: self._receive(wanted))
        self.settle()

    def receive_now(self, wanted: Pass) -> bool:
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

    def _receive_now(self, wanted: Pass) -> bool:
        self._prepare(wanted)
        if not self._frames and not self.worker.channel.receive_now(self._frames):
            return False
        self._turn.run(self._handle_frames)
        return True

    def settle(self, error: FarsideError | None = None) -> None:
        """Do what is left to do after a failure, if there was any. It may wait.

        Args:
            error: what `receive_now` has raised.
        """
        if error is not None:
            with_lock(self._reading, lambda: self._end_by(error))
        if self.failure is not None:
            # The worker is ending by itself. An iterable that nobody closes after a failure
            # should not leave a process behind, and it takes only some milliseconds.
            self.worker.channel.close()
            self.worker.wait(_FAREWELL_SECONDS)

    def expire(self, wanted: Pass) -> None:
        """End the worker if nothing has arrived up to now: the time is up. It may wait."""
        with_lock(self._reading, lambda: None if wanted.ready else self._time_out())
        self.settle()

    def take(self, this: Pass, count: int) -> None:
        """Book that further items of a pass were taken."""
        this.taken += count
        self.worker.channel.take(this.epoch, this.taken)

    # The end --------------------------------------------------------------------------------

    def fail(self, error: FarsideError) -> None:
        """End the worker, since something went wrong on this side."""
        self._turn.run(lambda: self._give_up(error))
        self.close(kill=True)

    def close(self, *, kill: bool = False) -> bool:
        """End the worker and wait for it; tell whether it has ended.

        Args:
            kill: do not give it time for an orderly end.
        """
        if self._foreign_to:
            return True
        self._turn.run(self._say_goodbye)
        # A worker that is blocked in sending an item wakes up, and so does a thread that waits
        # for one.
        self.worker.channel.stop_receiving()
        if self._turn.torn:  # perhaps nobody has told the worker
            self.worker.channel.close()
            kill = True
        if kill:
            self.worker.kill()
        ended = self.worker.stop(self._options.shutdown_timeout)
        self.worker.channel.close()
        self._frames = deque()  # they may hold memory
        return ended

    def abandon(self) -> None:
        """Tell the worker to end, without waiting: for finalizers.

        Nobody else uses the session any more. The worker ends by itself; until then it is on
        record.
        """

        def leave() -> None:
            self._hang_up()
            self.worker.channel.close()

        held_back(leave)  # Ctrl-C would be swallowed in a finalizer, and the worker go on for ever

    # Inside ---------------------------------------------------------------------------------

    def _receive(self, wanted: Pass) -> None:
        if wanted.ready:
            return  # another thread has received it
        try:
            self._prepare(wanted)
            if self._frames or self.worker.channel.receive(self._frames, self._options.timeout):
                self._turn.run(self._handle_frames)
            else:
                self._time_out()
        except (ChannelClosedError, ProtocolError) as error:
            self._end_by(error)

    def _prepare(self, wanted: Pass) -> None:
        if self._turn.torn and self.state is not ParentState.DONE:
            raise _failures.torn()
        # Should another pass have said something about this word since, it is put right.
        self.worker.channel.take(wanted.epoch, wanted.taken)

    def _end_by(self, error: FarsideError) -> None:
        if isinstance(error, ChannelClosedError):
            lifetime.park_at_exit()
            self._lose()
        else:
            self.fail(error)

    def _start_pass(self) -> Pass:
        if self.state is ParentState.DONE or self._foreign_to:
            raise _failures.closed(self._foreign_to) from self.failure
        before = self._pass
        self._act(ParentAction.START)
        self._pass = Pass(self._machine.epoch)
        before.cancel(_failures.superseded(before.epoch, self._pass.epoch))
        return self._pass

    def _say_goodbye(self) -> None:
        self._hang_up()
        self._pass.cancel(_failures.closed(None))

    def _stop(self, epoch: int) -> None:
        if epoch != self._machine.epoch or self._foreign_to:
            return
        if self._machine.allows(ParentAction.STOP):
            self._act(ParentAction.STOP)
        # Also when the worker has finished: what has arrived may hold memory.
        self._pass.cancel(IterableClosedError("the iterator was closed"))

    def _act(self, action: ParentAction) -> None:
        for cmd, epoch in self._machine.act(action):
            try:
                self.worker.channel.send(cmd, epoch)
            except ChannelClosedError:
                return  # the worker is gone: receiving tells how
            if cmd in {Cmd.STOP_ITERATION, Cmd.ABORT}:
                # After the command: a worker that waits for items to be taken looks for it now.
                self.worker.channel.revoke(epoch)

    def _handle_frames(self) -> None:
        frames = self._frames
        try:
            while frames:
                self._handle(frames.popleft())
        except ProtocolError:
            frames.clear()  # no later frame is trusted, and they may hold memory
            raise

    def _handle(self, frame: Frame) -> None:
        if self.state is ParentState.DONE:
            return  # closed meanwhile
        event = self._machine.receive(frame.kind, frame.epoch)
        this = self._pass
        if event is ParentEvent.ITEM:
            this.arrive(frame)
        elif event is ParentEvent.PASS_FINISHED:
            this.used_up = frame.body == EXHAUSTED
            this.finish(None)
        elif event in {ParentEvent.PASS_FAILED, ParentEvent.INITIALIZATION_FAILED}:
            failure = _failures.read(frame.body)
            self.refused = failure.refused_module
            self._give_up(_failures.to_exception(failure, self.name))
        elif event is ParentEvent.REFUSED:
            self._give_up(ProtocolError(f"the {self.name} refused a command"))

    def _lose(self) -> None:
        """The channel has closed: find out why."""
        if self._foreign_to:
            self._pass.cancel(_failures.closed(self._foreign_to))
            return
        state = self.public_state
        if self.state is ParentState.DONE:
            return
        status = self.worker.exit_status()
        error = _failures.died(self.name, status, self._pass.last_index, state)
        self._turn.run(lambda: self._take_loss(error))

    def _take_loss(self, error: FarsideError) -> None:
        if self.state is not ParentState.DONE:
            self._machine.lost()
            self._give_up(error)

    def _time_out(self) -> None:
        seconds = self._options.timeout
        assert seconds is not None
        self.fail(_failures.timed_out(self.name, seconds, self._pass.last_index, self.public_state))

    def _give_up(self, error: FarsideError) -> None:
        """The worker has ended or must; what has arrived can still be taken."""
        if self.failure is None:
            self.failure = error
        self._pass.finish(error)
        self._hang_up()

    def _hang_up(self) -> None:
        if not self._foreign_to and self.state is not ParentState.DONE:
            self._act(ParentAction.CLOSE)
