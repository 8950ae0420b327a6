"""The messages between parent and worker: commands go down, and statuses come up.

Every value below is unique across all enumerations of this package. So a number that was read from
the link can mean one thing only, and a transition table can mix values as keys.
"""

from __future__ import annotations

from .codes import IntEnum


class Cmd(IntEnum):
    """A command, which the parent sends and the worker obeys."""

    ABORT = 1
    """End the worker, whatever it does."""

    START_ITERATION = 2
    """Begin the pass whose number it carries, and send its items. It may also carry where in the
    pass to begin, and which part of the pass to run."""

    STOP_ITERATION = 3
    """Leave the pass and go back to Stand By."""

    CALL = 4
    """Call a method of the iterable, between two passes. Carries its name and arguments."""

    REPORT_STACK = 5
    """Report where the worker's threads are. It is answered at once, and changes no state."""

    GIVE_TASKS = 6
    """Run more tasks in the present pass: shards, or inputs of a map. Carries them."""

    RETURN_TASKS = 7
    """Give back the tasks that were not begun. It is answered at once, and changes no state."""


class Status(IntEnum):
    """A status, which the worker sends and the parent handles."""

    UNEXPECTED_CMD_RECEIVED = 16
    """The worker's state does not allow the command, or it was no command. The worker ends."""

    INITIALIZATION_FAILED = 17
    """An initializer or ``fn`` failed. Carries the failure. The worker ends."""

    INITIALIZATION_SUCCEEDED = 18
    """The iterable exists; the worker stands by."""

    ITERATION_STARTED = 19
    """The pass of this epoch has begun: what follows belongs to it."""

    ITERATION_FINISHED = 20
    """The pass is over, by its own end or by STOP_ITERATION; the worker stands by."""

    ITERATOR_SUCCESS = 21
    """One item. Carries it."""

    ITERATOR_FAILED = 22
    """``iter()``, ``next()`` or pickling an item failed. Carries the failure. The worker ends."""

    CALL_SUCCEEDED = 23
    """The method has returned. Carries the result; the worker stands by."""

    CALL_FAILED = 24
    """The method, or pickling its result, failed. Carries the failure; the worker stands by."""

    STACK_REPORTED = 25
    """Where the worker's threads are. Carries the text."""

    RECORDS_EMITTED = 26
    """A log record or a warning of user code. Carries it. It belongs to no pass."""

    PROGRESS_REPORTED = 27
    """Where in a pass the worker is, beside its items. Carries what `progress` describes."""

    TASKS_RETURNED = 28
    """These tasks will not be run. Carries their numbers, of eight bytes each."""


WITH_FAILURE = frozenset({Status.INITIALIZATION_FAILED, Status.ITERATOR_FAILED, Status.CALL_FAILED})
"""The statuses that carry a failure."""

EXHAUSTED = b"exhausted"
"""Body of ITERATION_FINISHED when the iterable is an iterator that an earlier pass had used up."""

UNKNOWN = -1
"""The index of an item of a shard or a map, which only the loop can tell."""

CONTINUED = b"continued"
"""Body of ITERATION_STARTED when the iterable is an iterator that an earlier pass has left."""
