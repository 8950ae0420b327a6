"""The worker's failures as exceptions of the parent."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ._transport import codec
from ._worker.failure import Failure, state_of
from .errors import (
    FarsideError,
    IterableClosedError,
    NotPicklableError,
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
    "load": "loading fn and initializers",
    "fn": "fn",
    "iter": "iter() of the iterable",
    "next": "next() of the iterator",
}

# These mean something to the interpreter, or to the loop around it: raised again in the parent
# they would end the process or the loop, without a word.
_NEVER_AGAIN = (StopIteration, StopAsyncIteration)


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


def timed_out(
    worker: str, seconds: float, last_index: int | None, state: str
) -> WorkerTimeoutError:
    """Make the error for a worker that took too long."""
    what = (
        "its initialization did not end"
        if state == "initialization"
        else f"no item came, {_when(last_index)},"
    )
    return WorkerTimeoutError(
        f"the {worker} was ended: {what} within timeout={seconds} seconds",
        seconds=seconds,
        last_index=last_index,
        state=state,
    )


def _when(last_index: int | None) -> str:
    return "before any item" if last_index is None else f"after the item of index {last_index}"


def to_exception(failure: Failure, worker: str) -> FarsideError:
    """Turn a failure into the exception to raise.

    Args:
        failure: what the worker sent.
        worker: what to call the worker in messages.

    Returns:
        An exception that is the farside class and, where that can be built, the original type
        as well; the original exception is its cause, the worker's traceback the cause of that.
    """
    original = _thaw(failure.exception)
    error = _pickling_error(failure, worker) or _failed_error(failure, original, worker)
    remote = RemoteTraceback(failure.traceback)
    if original is None:
        error.__cause__ = remote
    else:
        original.__cause__ = remote
        error.__cause__ = original
        # An inline worker's exception has a live one: it goes on below the loop that raises this.
        error.__traceback__, original.__traceback__ = original.__traceback__, None
    return error


def _pickling_error(failure: Failure, worker: str) -> NotPicklableError | None:
    if failure.stage != "pickle":
        return None
    return NotPicklableError(
        f"the item of index {failure.item_index} cannot be sent by the {worker}: it does not "
        f"pickle ({failure.type_name}: {failure.message}); yield something that does"
        + ("" if codec.has_cloudpickle() else ", or install cloudpickle"),
        item_index=failure.item_index,
    )


def _failed_error(
    failure: Failure, original: BaseException | None, worker: str
) -> WorkerFailedError:
    begun = failure.item_index is not None
    base = WorkerIterationError if begun else WorkerInitializationError
    item = f", at the item of index {failure.item_index}" if begun else ""
    stage = failure.stage.partition("[")[0]
    where = f"{_WHAT.get(stage, failure.stage)} failed in the {worker}{item}"
    fields = {
        "stage": stage,
        "item_index": failure.item_index,
        "original_type": failure.type_name,
        "remote_traceback": failure.traceback,
    }
    error = None if original is None else _dual(base, original, fields)
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


def _thaw(data: bytes | None) -> BaseException | None:
    if data is None:
        return None
    try:
        frozen = codec.loads(data)
        return frozen if isinstance(frozen, BaseException) else _make(*frozen)
    except BaseException:  # user code; the failure then arrives as text
        return None


def _make(cls: Any, args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """Make an exception without its ``__init__``, which may take other arguments."""
    try:
        error = cls.__new__(cls, *args)
    except Exception:  # a __new__ of the user's, with other arguments
        builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
        error = builtin.__new__(cls, *args)
    error.args = args
    for name, value in state.items():
        try:
            BaseException.__setattr__(error, name, value)
        except (AttributeError, TypeError):
            continue  # read-only, so it follows from the rest
    return error


def _dual(
    base: type[WorkerFailedError], original: BaseException, fields: dict[str, Any]
) -> WorkerFailedError | None:
    """Make an exception that is both; None where that cannot be, or should not."""
    if not isinstance(original, Exception) or isinstance(original, _NEVER_AGAIN):
        return None
    kind: type[Exception] = type(original)
    state = {**fields, **state_of(original)}
    if isinstance(original, WorkerFailedError) and "_kinds" in state:
        # It failed in a worker of the worker; the innermost type is what the user may catch.
        kind, state = state["_kinds"][1], {**state, **fields}
    if "__notes__" in state:
        state["__notes__"] = list(state["__notes__"])  # those of the original stay its own
    try:
        error: WorkerFailedError = _revive(base, kind, original.args, state)
    except Exception:  # a final class, a metaclass, an __init_subclass__ …
        return None
    return error


@lru_cache(maxsize=256)
def _dual_class(base: Any, original: Any) -> Any:
    if issubclass(original, base) or issubclass(base, original):
        bases = [original if issubclass(original, base) else base]
    else:
        # The original comes first: its layout and its __str__ are the ones that count.
        bases = [original, base]
    name = f"{base.__name__}[{original.__name__}]"
    return type(name, tuple(bases), {"__module__": base.__module__, "__reduce__": _reduce})


def _revive(
    base: type[WorkerFailedError],
    original: type[Exception],
    args: tuple[Any, ...],
    state: dict[str, Any],
) -> Any:
    kinds: Any = (base, original)  # lru_cache wants Hashable, and mypy takes no class for one
    error = _make(_dual_class(*kinds), args, state)
    vars(error)["_kinds"] = (base, original)
    return error


def _reduce(self: Any) -> tuple[Any, ...]:
    return _revive, (*self._kinds, self.args, state_of(self))
