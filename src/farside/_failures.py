"""The worker's failures as exceptions of the parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._duals import make_dual, thaw
from ._transport import codec
from ._worker.failure import Failure
from .errors import (
    CallFailedError,
    FarsideError,
    IterableClosedError,
    NotPicklableError,
    PassOpenError,
    PassSupersededError,
    ProtocolError,
    RemoteTraceback,
    WorkerDiedError,
    WorkerFailedError,
    WorkerInitializationError,
    WorkerIterationError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from ._backends.base import ExitStatus

_WHAT = {
    "start": "starting the threads of the worker",
    "load": "loading fn and initializers",
    "fn": "fn",
    "iter": "iter() of the iterable",
    "next": "next() of the iterator",
    "arguments": "loading the arguments of {method!r}",
    "call": "the call of {method!r}",
}


def read(body: bytes | bytearray) -> Failure:
    """Read what the worker says of a failure.

    Raises:
        ProtocolError: it cannot be read.
    """
    try:
        failure = Failure(*codec.loads(body))
        fits = map(isinstance, failure, _FIELDS)
        if not all(fits):
            raise TypeError("fields of other types")
    except Exception as error:
        raise ProtocolError(f"the worker sent a failure that cannot be read: {error}") from error
    return failure


_OR_NONE = type(None)
_FIELDS: tuple[tuple[type, ...], ...] = (
    (str,),
    (int, _OR_NONE),
    (str,),
    (str,),
    (str,),
    (bytes, _OR_NONE),
    (str, _OR_NONE),
)
"""Types of what a `Failure` has."""


def closed(foreign_to: int | None) -> IterableClosedError:
    """Make the error for an iterable that was closed.

    Args:
        foreign_to: the process that it belongs to, when this one is a forked child of that.
    """
    if foreign_to is None:
        return IterableClosedError("the iterable is closed; make a new one to iterate again")
    return IterableClosedError(
        f"the iterable belongs to process {foreign_to}, of which this process is a forked child; "
        "make an iterable of its own in each process"
    )


def superseded(before: int, now: int) -> PassSupersededError:
    """Make the error for a pass whose place a newer one has taken."""
    return PassSupersededError(
        f"pass {before} was superseded by pass {now} over the same iterable; loop over one "
        "iterator at a time, or make a second iterable"
    )


def torn() -> ProtocolError:
    """Make the error for a worker with which the parent may be out of step."""
    return ProtocolError(
        "an exception of a signal handler struck in the middle of a step of the "
        "protocol, so the worker was ended; make a new iterable to go on"
    )


def died(worker: str, status: ExitStatus, last_index: int | None, state: str) -> WorkerDiedError:
    """Make the error for a worker that ended without a word."""
    hint = ""
    if state == "initialization" and status.code == 1:
        hint = (
            "; see its traceback above. Each worker imports the main script, so a script must "
            "start workers below if __name__ == '__main__': only"
        )
    return WorkerDiedError(
        f"the {worker} died {_when(last_index)}, in state {state}: {status.text}{hint}",
        exit_code=status.code,
        signal_name=status.signal_name,
        last_index=last_index,
        state=state,
    )


def pass_open(method: str) -> PassOpenError:
    """Make the error for a call while an iterator is open."""
    return PassOpenError(
        f"{method!r} cannot be called while an iterator over the iterable is open; take it to its "
        "end, leave the loop, or close() the iterator first"
    )


def timed_out(
    worker: str,
    seconds: float,
    last_index: int | None,
    state: str,
    *,
    method: str | None = None,
    stack: str | None = None,
) -> WorkerTimeoutError:
    """Make the error for a worker that took too long."""
    limit = "timeout"
    if state == "initialization":
        what, limit = "its initialization did not end", "init_timeout"
    elif method is not None:
        what = f"the call of {method!r} did not return"
    else:
        what = f"no item came, {_when(last_index)},"
    where = NO_STACK if stack is None else f"it was here:\n\n{stack.rstrip()}"
    return WorkerTimeoutError(
        f"the {worker} was ended: {what} within {limit}={seconds} seconds; {where}",
        seconds=seconds,
        last_index=last_index,
        state=state,
        worker_stack=stack,
    )


NO_STACK = (
    "it does not tell where it was, so it was in C code that holds the GIL, stopped, or not started"
)


def _when(last_index: int | None) -> str:
    return "before any item" if last_index is None else f"after the item of index {last_index}"


def to_exception(failure: Failure, worker: str, method: str = "") -> FarsideError:
    """Turn a failure into the exception to raise.

    Args:
        failure: what the worker sent.
        worker: what to call the worker in messages.
        method: the method that was called, if it was in a call.

    Returns:
        An exception that is the farside class and, where that can be built, the original type
        as well; the original exception is its cause, the worker's traceback the cause of that.
    """
    try:
        return _build(failure, thaw(failure.exception), worker, method)
    except KeyboardInterrupt:
        raise
    except BaseException:  # user code: the class of the original may do anything; text always works
        return _build(failure, None, worker, method)


def _build(
    failure: Failure, original: BaseException | None, worker: str, method: str
) -> FarsideError:
    error = _pickling_error(failure, worker, method) or _failed_error(
        failure, original, worker, method
    )
    if failure.refused_module is not None:
        error.refused_module = failure.refused_module
    remote = RemoteTraceback(failure.traceback)
    if original is None:
        error.__cause__ = remote
    else:
        original.__cause__ = remote
        error.__cause__ = original
        # An inline worker's exception has a live one: it goes on below the loop that raises this.
        error.__traceback__, original.__traceback__ = original.__traceback__, None
    return error


def _pickling_error(failure: Failure, worker: str, method: str) -> NotPicklableError | None:
    if failure.stage == "pickle":
        what, verb = f"the item of index {failure.item_index}", "yield"
    elif failure.stage == "result":
        what, verb = f"what {method!r} returned", "return"
    else:
        return None
    return NotPicklableError(
        f"{what} cannot be sent by the {worker}: it does not "
        f"pickle ({failure.type_name}: {failure.message}); {verb} something that does"
        + ("" if codec.has_cloudpickle() else ", or install cloudpickle"),
        item_index=failure.item_index,
    )


def _failed_error(
    failure: Failure, original: BaseException | None, worker: str, method: str
) -> WorkerFailedError:
    begun = failure.item_index is not None
    item = f", at the item of index {failure.item_index}" if begun else ""
    stage = failure.stage.partition("[")[0]
    where = f"{_WHAT.get(stage, failure.stage)} failed in the {worker}{item}"
    base: type[WorkerFailedError] = WorkerIterationError if begun else WorkerInitializationError
    fields: dict[str, Any] = {
        "stage": stage,
        "item_index": failure.item_index,
        "original_type": failure.type_name,
        "remote_traceback": failure.traceback,
    }
    if stage in {"arguments", "call"}:
        base = CallFailedError
        fields["method"] = method
        where = where.replace("{method!r}", repr(method))
    error = None if original is None else make_dual(base, original, fields)
    if error is None:
        error = base(f"{where}: {failure.type_name}: {failure.message}")
        vars(error).update(fields)
    elif hasattr(error, "add_note"):  # Python 3.11+
        for note in filter(None, (where, _cure(failure))):
            error.add_note(note)
    return error


def _cure(failure: Failure) -> str:
    if failure.refused_module:
        return (
            f"{failure.refused_module} cannot be loaded in a subinterpreter: use "
            "iterate_in_subprocess; or import it in an initializer, so that a subprocess takes "
            "over before the first item"
        )
    if failure.stage == "load":
        return (
            "the worker imports what fn and initializers are made of: define them at the top level "
            "of a module that it can import, in a script above if __name__ == '__main__':"
        )
    return ""
