"""The effects that a core asks the shell to carry out, and why a conversation ended: plain data."""

from __future__ import annotations

from typing import Any, TypeAlias

from .._named_tuple import NamedTuple
from .inbox import Inbox
from .messages import Cmd


class Ending(NamedTuple):
    """Why the conversation with a worker has ended. Errors are made from it."""

    cause: str  # one of the constants below
    state: str = ""  # the worker's state, as one of the values of `PUBLIC_STATES`
    last_index: int | None = None  # index of the last item that has arrived
    detail: Any = None  # the failure, the exit status, the frame with the stacks, or what was wrong
    method: str | None = None  # the method that was called, if a call was under way
    without_input: int = 0  # how many workers of a map in a row have begun no input
    without_item: int = 0  # how many restarted workers in a row have sent no item
    limit: str = ""  # the name of the option whose time limit has passed, if one has


class Send(NamedTuple):
    """Send a command. The body of a CALL is taken from its token."""

    cmd: Cmd
    epoch: int
    token: Any = None
    content: Any = None  # what the command carries: plain values


class Answer(NamedTuple):
    """Give the frame with the answer to the token of the request."""

    token: Any
    frame: Any


class Fail(NamedTuple):
    """Tell the token of a request why no answer will come."""

    token: Any
    ending: Ending


class Log(NamedTuple):
    """Give a log record or a warning to the user's loggers."""

    body: Any


class Drop(NamedTuple):
    """Discard the items of an inbox, and those that its delivery has."""

    inbox: Inbox
    with_delivery: bool = True  # False: the delivery is empty, and another worker will use it


class End(NamedTuple):
    """End the worker, and close its link. It is left to end by itself unless `kill` is set."""

    kill: bool


class Launch(NamedTuple):
    """Release the worker, and start another one in its place."""

    backend: str | None  # the backend to take; None: the same
    ending: Ending  # what made that necessary
    kill: bool = False  # whether the old worker has to be killed, as it would not end by itself


Effect: TypeAlias = Launch | Send | Answer | Fail | Log | Drop | End

# Causes of an `Ending`:
FAILED = "failed"  # the worker has reported a failure
DIED = "died"  # it is gone
CUT_OFF = "cut off"  # its start was cut off: the detail is the exception that says how
TIMED_OUT = "timed out"  # it was silent for too long, or an input of a map ran for too long
RETIRED = "retired"  # it has done its full number of tasks
REFUSED = "refused"  # it got a command that it did not expect
BROKEN = "broken"  # it has sent data that cannot be read
CLOSED = "closed"  # the user has closed it
HERE = "here"  # something has failed in the parent: the detail is that exception
