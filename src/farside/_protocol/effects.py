"""What the parent's cores want done, and why a conversation is over: plain data."""

from __future__ import annotations

from typing import Any, TypeAlias

from .._named_tuple import NamedTuple
from .inbox import Inbox
from .messages import Cmd


class Ending(NamedTuple):
    """Why a worker's conversation is over: what an error is made of."""

    cause: str  # one of the constants below
    state: str = ""  # where the worker was, in the words of `PUBLIC_STATES`
    last_index: int | None = None  # index of the last item that has arrived
    detail: Any = None  # the failure, the exit status, the frame with the stacks, or what was wrong
    method: str | None = None  # what was called, if a call was under way
    futile: int = 0  # how many workers of a map in a row have ended without beginning an input
    barren: int = 0  # how many in a row that were started again have sent no item
    limit: str = ""  # the limit that has passed, by the name of its option, if one has


class Send(NamedTuple):
    """Send a command; CALL with the body that belongs to its token."""

    cmd: Cmd
    epoch: int
    token: Any = None
    content: Any = None  # what it carries: plain values


class Answer(NamedTuple):
    """Give what has arrived to whoever has asked by a token."""

    token: Any
    frame: Any


class Fail(NamedTuple):
    """Tell whoever has asked by a token that no answer will come."""

    token: Any
    ending: Ending


class Log(NamedTuple):
    """Give a log record or a warning to the user's loggers."""

    body: Any


class Drop(NamedTuple):
    """Let nobody take the items of an inbox any more, or those that its delivery has."""

    inbox: Inbox
    with_delivery: bool = True  # False: the delivery has none, and another worker's items go there


class End(NamedTuple):
    """End the worker and what leads to it. It ends by itself, unless it is to be killed."""

    kill: bool


class Launch(NamedTuple):
    """Let go of the worker, and start another one in its place."""

    backend: str | None  # the backend to take; None: the same
    ending: Ending  # what made that necessary
    kill: bool = False  # whether the one before does not end by itself


Effect: TypeAlias = Launch | Send | Answer | Fail | Log | Drop | End

# Causes of an `Ending`:
FAILED = "failed"  # the worker reports a failure
DIED = "died"  # it is gone
CUT_OFF = "cut off"  # its start was cut off: the detail is the exception that says how
TIMED_OUT = "timed out"  # it has said nothing for too long
RETIRED = "retired"  # it has done as many tasks as it was to do
REFUSED = "refused"  # it got a command that it did not expect
BROKEN = "broken"  # it has sent what cannot be read
CLOSED = "closed"  # the user has closed it
HERE = "here"  # something has failed in the parent: the detail is that exception
