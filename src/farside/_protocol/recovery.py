"""How long a worker may say nothing, and what to do when it has ended before its time.

Either an error is raised, or another worker goes on.

`GroupCore` asks when a worker was refused something, is gone, has run out of time, or has done its
share of tasks. A further policy is added here; one for another cause needs a call in `group` too.
"""

from __future__ import annotations

from .._named_tuple import NamedTuple
from .effects import CUT_OFF, DIED, FAILED, RETIRED, TIMED_OUT, Ending


class Limits(NamedTuple):
    """For how many seconds a worker may say nothing; None is no limit."""

    init: float | None = None
    answer: float | None = None
    task: float | None = None  # for how many seconds an input of a map may run


NO_LIMITS = Limits()
STACK_SECONDS = 0.5  # for one out of time, to tell where it is: if it can, in milliseconds
MOST_FUTILE = 5  # times in a row that a worker of a map is started again that has begun no input
PAUSE_SECONDS = 0.1
"""How long to wait before a worker is started again whose predecessor has made no progress either;
twice as long each further time."""

LONGEST_PAUSE = 10.0
STEADY_SECONDS = 10.0  # a worker that has lived so long since its start ends the row of futile ones


def may_hand_over(ending: Ending, *, used: bool) -> bool:
    """Decide whether a worker of another backend may take the place of one."""
    # An extension module may refuse to load in a subinterpreter. While the user has got nothing
    # from the worker, nobody can tell if one of another backend takes its place. A library may have
    # swallowed the refusal and fail later, so any failure after one counts.
    return not used and ending.cause == FAILED and bool(ending.detail.refused)


def may_restart(ending: Ending, left: int, *, again: bool, struck: bool) -> bool:
    """Decide whether a worker that has ended is started again, and goes on where it was."""
    # A worker that was started again, and dies before it stands by, is not started once more: the
    # next one would most probably die too. But if something outside has ended it, that says nothing
    # of the next one: on a busy machine, memory runs out in a start as at any other time. `left`
    # limits how often an item may kill its worker, and how many starts may be cut off. In a map,
    # `left` is endless: there `retries` limits the deaths at an input, and MOST_FUTILE those of
    # workers that begin none. An exit status may say that no other worker could be started: the
    # process exits, or the main script starts workers as it is imported.
    initialized = ending.state != "initialization"
    could = bool(getattr(ending.detail, "again", True))  # only an exit status may say no
    may = left > 0 and ending.cause in _AGAIN and (initialized or struck or not again)
    return may and ending.futile <= MOST_FUTILE and could


def pause_before(ending: Ending, *, gets_inputs: bool) -> float:
    """Return for how many seconds to wait before a worker is started again."""
    # The cause of repeated deaths may be over soon: there was no memory, or a server was away.
    # After progress there is no pause. In a map, a worker that has begun an input has made
    # progress: the `retries` of the input count its deaths.
    futile = ending.futile - 1 if gets_inputs else ending.barren
    return min(PAUSE_SECONDS * 2 ** (futile - 1), LONGEST_PAUSE) if futile > 0 else 0.0


_AGAIN = frozenset({DIED, CUT_OFF, TIMED_OUT, RETIRED})
