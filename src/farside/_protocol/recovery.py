"""How long a worker may be silent, and whether another one takes over when it has ended early.

If none takes over, an error is raised.

`GroupCore` asks when a worker has failed, is gone, has run out of time, or has done its full number
of tasks. New policies belong here. A policy for another cause also needs a call in `group`.
"""

from __future__ import annotations

from .._named_tuple import NamedTuple
from .effects import CUT_OFF, DIED, FAILED, RETIRED, TIMED_OUT, Ending


class Limits(NamedTuple):
    """For how many seconds a worker may be silent; None is no limit."""

    init: float | None = None
    answer: float | None = None
    task: float | None = None  # for how many seconds an input of a map may run


NO_LIMITS = Limits()
STACK_SECONDS = 0.5  # for a worker out of time to report its stacks, which takes milliseconds
MOST_WITHOUT_INPUT = 5  # how many workers of a map in a row are replaced if they begin no input
PAUSE_SECONDS = 0.1
"""How long to wait before a restart, if the worker that has ended was a restarted one and has made
no progress. Each further such worker in a row doubles the pause."""

LONGEST_PAUSE = 10.0
STEADY_SECONDS = 10.0  # a worker that lives so long resets the count of those without input


def may_hand_over(ending: Ending, *, used: bool) -> bool:
    """Decide whether a worker of another backend may take the place of one that has ended."""
    # An extension module may refuse to load in a subinterpreter. As long as the user has got
    # nothing from the worker, one of another backend can replace it unnoticed. A library may
    # swallow the refusal and fail later, so any failure after a refusal counts.
    return not used and ending.cause == FAILED and bool(ending.detail.refused)


def may_restart(ending: Ending, left: int, *, again: bool, struck: bool) -> bool:
    """Decide whether a worker that has ended is started again, to continue where it was."""
    # A restarted worker that dies before it stands by is not started again, since the next one
    # would most probably die too. But if something outside has ended it, that says nothing of the
    # next one: on a busy machine, memory may run out during a start as at any other time. `left`
    # limits how often an item may kill its worker, and how many starts may be cut off. In a map,
    # `left` is endless: `retries` limits the deaths at an input, and MOST_WITHOUT_INPUT those of
    # workers that begin none. An exit status may say that no other worker could be started, as when
    # the process exits, or the main script starts workers while it is imported.
    initialized = ending.state != "initialization"
    could = bool(getattr(ending.detail, "again", True))  # only an exit status may say no
    may = left > 0 and ending.cause in _AGAIN and (initialized or struck or not again)
    return may and ending.without_input <= MOST_WITHOUT_INPUT and could


def pause_before(ending: Ending, *, gets_inputs: bool) -> float:
    """Return for how many seconds to wait before a worker is started again."""
    # The cause of repeated deaths may soon be over: memory was short, or a server was away. After
    # progress there is no pause. In a map, a worker that has begun an input has made progress: its
    # death counts against the `retries` of that input.
    count = ending.without_input - 1 if gets_inputs else ending.without_item
    return min(PAUSE_SECONDS * 2 ** (count - 1), LONGEST_PAUSE) if count > 0 else 0.0


_AGAIN = frozenset({DIED, CUT_OFF, TIMED_OUT, RETIRED})
