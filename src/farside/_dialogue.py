"""What the parent says to one worker: the protocol's machine, and the commands that it sends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ._protocol.messages import Cmd
from ._protocol.parent import ParentMachine
from ._protocol.tables import ParentAction, ParentState
from .errors import ChannelClosedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._backends.base import Worker
    from ._protocol.tables import ParentEvent
    from ._transport.codec import Part
    from ._transport.frames import Frame

_STATES = {
    ParentState.INITIALIZATION: "initialization",
    ParentState.STAND_BY: "stand by",
    ParentState.STARTING: "iteration",
    ParentState.ITERATION: "iteration",
    ParentState.STOPPING: "stopping",
    ParentState.CALLING: "call",
    ParentState.DONE: "closed",
}


class Dialogue:
    """The parent's half of the protocol with one worker.

    Whoever changes anything has the turn of the session; any thread may look.
    """

    def __init__(self, worker: Worker) -> None:
        self._channel = worker.channel
        self._machine = ParentMachine()
        self._owner = os.getpid()

    @property
    def state(self) -> ParentState:
        """Where the parent's machine is."""
        return self._machine.state

    @property
    def over(self) -> bool:
        """Whether nothing more can be said."""
        return self._machine.state is ParentState.DONE or self.foreign_to is not None

    @property
    def public_state(self) -> str:
        """Where the worker is, in the words of `RemoteIterable.state`."""
        return "closed" if self.foreign_to else _STATES[self.state]

    @property
    def epoch(self) -> int:
        """The number of the running or latest pass."""
        return self._machine.epoch

    @property
    def foreign_to(self) -> int | None:
        """The process that the worker belongs to, if this one is a forked child of it."""
        return None if os.getpid() == self._owner else self._owner

    def allows(self, action: ParentAction) -> bool:
        """Tell whether the present state has a step for an action."""
        return self._machine.allows(action)

    def act(self, action: ParentAction, parts: Sequence[Part] = ()) -> None:
        """Do what the user wants: send the commands for it, CALL with a body."""
        for cmd, epoch in self._machine.act(action):
            try:
                self._channel.send(cmd, epoch, parts if cmd is Cmd.CALL else ())
            except ChannelClosedError:
                return  # the worker is gone: receiving tells how
            if cmd in {Cmd.STOP_ITERATION, Cmd.ABORT}:
                # After the command: a worker that waits for items to be taken looks for it now.
                self._channel.revoke(epoch)

    def hang_up(self) -> None:
        """Tell the worker to end, unless it was told or is a stranger to this process."""
        if not self.over:
            self.act(ParentAction.CLOSE)

    def hear(self, frame: Frame) -> ParentEvent:
        """Take a status in; return what it means."""
        return self._machine.receive(frame.kind, frame.epoch)

    def lose(self) -> None:
        """Take in that the worker is gone."""
        self._machine.lost()
