"""The worker's half of the protocol, without I/O."""

from __future__ import annotations

from ..errors import ProtocolError
from .messages import Cmd
from .worker_table import WORKER, WorkerEvent, WorkerState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Status
    from .worker_table import WorkerInput

_COMMANDS = {int(cmd): cmd for cmd in Cmd}


class WorkerMachine:
    """Looks up what a worker does next.

    Attributes:
        state: where the worker is.
        epoch: the number of the running or latest pass; 0 before the first.

    Example:
        >>> machine = WorkerMachine()
        >>> machine.fire(WorkerEvent.INITIALIZED).name
        'INITIALIZATION_SUCCEEDED'
        >>> machine.command(Cmd.START_ITERATION, 1).name, machine.state.name, machine.epoch
        ('ITERATION_STARTED', 'ITERATION', 1)
    """

    __slots__ = ("epoch", "state")

    def __init__(self) -> None:
        self.state = WorkerState.INITIALIZATION
        self.epoch = 0

    def command(self, kind: int, epoch: int) -> Status | None:
        """Obey a command of a pass, by its number; return the status to push, or None.

        Raises:
            ProtocolError: the present state takes no commands.
        """
        cmd = _COMMANDS.get(kind)
        starts = cmd is Cmd.START_ITERATION
        # Epochs only grow; a START that goes back would let old frames pass for new ones.
        if cmd is None or (starts and epoch <= self.epoch):
            return self.fire(WorkerEvent.UNKNOWN_CMD)
        before = self.state
        status = self.fire(cmd)
        if starts and before is WorkerState.STAND_BY:
            self.epoch = epoch
        return status

    def fire(self, event: WorkerInput) -> Status | None:
        """Take one step; return the status to push, or None.

        Raises:
            ProtocolError: the table has no such step.
        """
        step = WORKER.get((self.state, event))
        if step is None:
            raise ProtocolError(f"a worker in state {self.state.name} does not expect {event.name}")
        self.state = step.state
        return step.push
