"""Turns failures of user code in a worker into exceptions of the parent."""

from __future__ import annotations

import re
from copy import copy
from typing import Any, TypeVar

from .. import errors
from .._backends.live_workers import IMPORTING
from .._payload import pickling
from .._payload.failure import Failure, describe
from .._payload.remote_errors import make_dual, thaw
from .._payload.true_parts import put, traceback_of
from .._protocol.messages import UNKNOWN
from ..errors import FarsideError, WorkerFailedError
from . import unguarded
from .notes import note

E = TypeVar("E", bound=BaseException)

_WHAT = {
    "start": "starting the threads of the worker",
    "load": "loading fn and initializers",
    "fn": "fn",
    "iter": "iter() of the iterable",
    "load_state_dict": "load_state_dict()",
    "next": "next() of the iterator",
    "function": "function",
    "shard": "fn(shard)",
    "input": "loading the {unit}",
    "arguments": "loading the arguments of {method!r}",
    "call": "the call of {method!r}",
}


def to_exception(
    failure: Failure, worker: str, method: str = "", unit: str = "input"
) -> FarsideError:
    """Turn a failure into the exception to raise. `unit` is the name of what a map works on.

    The exception is of a farside class and, if such a class can be built, of the original type as
    well. Its cause is the original exception, whose cause is the worker's traceback.
    """
    if failure.stage == "load" and IMPORTING in failure.traceback:
        return _unguarded(failure, worker)
    try:
        return _build(failure, thaw(failure.exception), worker, method, unit)
    except KeyboardInterrupt:
        raise
    except BaseException:  # user code: the class of the original may do anything; text always works
        return _build(failure, None, worker, method, unit)


def without_frames(error: BaseException) -> None:
    """Replace the traceback of an exception of this process by text, as workers' exceptions do."""
    text = errors.RemoteTraceback(describe(error, "", None).traceback)
    for name, value in (("__cause__", text), ("__context__", None), ("__traceback__", None)):
        put(error, name, value)


def to_keep(error: E) -> E:
    """Remove the frames from an exception of this process that may be raised later; return it."""
    without_frames(error if error.__cause__ is None else error.__cause__)
    for name in ("__context__", "__traceback__"):
        put(error, name, None)
    return error


def for_later(error: E) -> E:
    """Return a copy of an exception of this process, without its frames and what they keep."""
    try:
        made = copy(error)
    except Exception:  # user code: a constructor that takes other arguments
        return error
    cause = error.__cause__
    if cause is not None and traceback_of(cause) is not None:
        cause = errors.RemoteTraceback(describe(cause, "", None).traceback)
    made.__cause__ = cause
    notes = getattr(made, "__notes__", None)
    if notes is not None:
        vars(made)["__notes__"] = [*notes]  # else both share one list
    return made


def _build(
    failure: Failure, original: BaseException | None, worker: str, method: str, unit: str
) -> FarsideError:
    notes: list[str] = []
    error: FarsideError | None = _pickling_error(failure, worker, method)
    if error is None:
        where = _where(failure, worker, method, unit)
        error = _failed_error(failure, original, where, method, notes)
        notes.append(_cure(failure, worker))
    if failure.refused:
        error.refused_module, error.refused = failure.refused_module, failure.refused
    remote = errors.RemoteTraceback(failure.traceback)
    if original is None:
        error.__cause__ = remote
    else:
        put(original, "__cause__", remote)
        error.__cause__ = original
        # The exception of an inline worker has a traceback: Python shows it below that of the loop.
        error.__traceback__ = traceback_of(original)
        put(original, "__traceback__", None)
    for each in filter(None, notes):
        note(error, each)
    return error


def _unguarded(failure: Failure, worker: str) -> errors.WorkerInitializationError:
    """Make the error, without a cause, for a module that starts workers as a worker imports it."""
    error = errors.WorkerInitializationError(f"the {worker} could not start: {unguarded.MESSAGE}")
    error.stage, error.original_type = failure.stage, failure.type_name
    error.remote_traceback = failure.traceback
    return error


def _pickling_error(failure: Failure, worker: str, method: str) -> errors.NotPicklableError | None:
    if failure.stage == "pickle":
        index = failure.item_index
        what, verb = "an item" if index == UNKNOWN else f"the item of index {index}", "yield"
    elif failure.stage == "output":
        what, verb = f"the result of the input of index {failure.item_index}", "return"
        if failure.culprit == "item: generator":
            verb = "pass flat=True, which makes its elements the results, or return"
    elif failure.stage == "task":
        what, verb = "the result of the task", "return"
    elif failure.stage == "result":
        what, verb = f"what {method!r} returned", "return"
    else:
        return None
    if (failure.culprit or "").endswith((": coroutine", ": async_generator")):
        verb = "nobody awaits it, so run it in the worker, as by asyncio.run(), and return"
    return errors.NotPicklableError(
        f"{what} cannot be sent by the {worker}: {failure.culprit or 'it'} does not "
        f"pickle ({failure.type_name}: {failure.message}); {verb} something that does"
        + pickling.or_cloudpickle(failure.type_name),
        item_index=failure.item_index,
    )


def _where(failure: Failure, worker: str, method: str, unit: str) -> str:
    """Say what has failed, in which worker, and at which item."""
    stage, index = failure.stage.partition("[")[0], failure.item_index
    kind = unit if stage in {"function", "input"} else "item"
    item = "" if index is None or index == UNKNOWN else f", at the {kind} of index {index}"
    what = _WHAT.get(stage, failure.stage).format(method=method, unit=unit)
    return f"{what} failed in the {worker}{item}"


def _failed_error(
    failure: Failure, original: BaseException | None, where: str, method: str, notes: list[str]
) -> WorkerFailedError:
    stage = failure.stage.partition("[")[0]
    base: type[WorkerFailedError] = errors.WorkerInitializationError
    if failure.item_index is not None:
        base = errors.WorkerIterationError
    fields: dict[str, Any] = {
        "stage": stage,
        "item_index": failure.item_index,
        "original_type": failure.type_name,
        "remote_traceback": failure.traceback,
    }
    if stage in {"arguments", "call"}:
        base = errors.CallFailedError
        fields["method"] = method
    error = None if original is None else make_dual(base, original, fields)
    if error is None:
        error = base(f"{where}: {failure.type_name}: {failure.message}")
        vars(error).update(fields)
        if original is None and stage != "load":
            caught = failure.type_name.rpartition(".")[2]
            notes.append(
                f"it has arrived as text, so 'except {caught}' does not catch it: the exception "
                "itself does not pickle, or cannot be made again here"
            )
    else:
        notes.append(where)
    return error


_READS = re.compile(r'[/\\]bdb\.py", line|^EOFError: EOF when reading a line', re.MULTILINE)
_MISSING = {"AttributeError", "ModuleNotFoundError"}  # of unpickling, if Python itself raises them
_ARGUMENTS = re.compile(
    r"\) (missing \d+ required |takes .*positional arguments? but |got multiple values for )"
)
_ALONE = "{0} is called without arguments; if it needs some, pass functools.partial({0}, ...)"
_CALLED = {
    **{name: _ALONE.format(name) for name in ("fn", "setup")},
    "initializer": "initializer is called with the initargs of an executor, and elsewhere without "
    "arguments; if it needs some there, pass functools.partial(initializer, ...)",
    "function": "function is called as function(input), and with setup as function(made, input); "
    "an input that is a tuple is one argument",
    "shard": "fn is called as fn(shard), and with setup as fn(made, shard); a shard that is a "
    "tuple is one argument",
}


def _cure(failure: Failure, worker: str) -> str:
    if failure.refused:
        perhaps = "" if failure.refused_module else ", which may be the cause"
        return (
            f"{', '.join(failure.refused)} cannot be loaded in a subinterpreter{perhaps}. Use "
            "iterate_in_subprocess or backend='subprocess'. Or import it earlier, at the top of "
            "the module of fn or in an initializer: a subprocess then takes over by itself"
        )
    caller = failure.traceback.rpartition('  File "')[2].partition('"')[0]  # of the failed call
    missing = failure.type_name in _MISSING and "/farside/_payload/" in caller
    if failure.stage == "load" or (failure.stage in {"input", "arguments"} and missing):
        return (
            "the worker imports the functions and classes of what it is sent: define them at the "
            "top level of a module that it can import; in a script, above if __name__ == "
            "'__main__':"
        )
    if _ARGUMENTS.search(failure.message) and "/farside/_worker/" in caller:
        # In an executor, the caller of `submit` decides how the function is called.
        submitted = ", in run_task\n" in failure.traceback
        return "" if submitted else _CALLED.get(failure.stage.partition("[")[0], "")
    if worker.startswith("subprocess") and _READS.search(failure.traceback):
        return (
            "a worker process has no terminal to read from: to debug your code, run it in the "
            "calling thread, by backend='inline' or num_workers=0"
        )
    return ""
