"""Makes the exceptions that say why a worker, a pass or a call has ended."""

from __future__ import annotations

from collections.abc import Sequence

from .. import errors
from .._backends.base import ExitStatus, unavailable
from .._payload.one_line import one_line
from .._payload.remote_errors import read_stack
from .._protocol import effects as causes
from .._protocol.effects import Ending
from .._protocol.messages import UNKNOWN
from .._protocol.recovery import MOST_WITHOUT_INPUT
from ..errors import FarsideError, ReplayDivergedError, WorkerDiedError
from . import unguarded
from .member import Member
from .notes import joined, note
from .remote_failures import for_later, to_exception


def closed(foreign_to: int | None) -> errors.IterableClosedError:
    """Make the error for an iterable that is closed, or belongs to the process that forked this."""
    if foreign_to is None:
        return errors.IterableClosedError("the iterable is closed; make a new one to iterate again")
    return errors.IterableClosedError(
        f"the iterable belongs to process {foreign_to}, of which this process is a forked child; "
        "make an iterable of its own in each process"
    )


def superseded(before: int, now: int) -> errors.PassSupersededError:
    """Make the error for a pass that a newer one has superseded."""
    return errors.PassSupersededError(
        f"pass {before} was superseded by pass {now} over the same iterable; loop over one "
        "iterator at a time, or make a second iterable. A server gives each request a worker of "
        "its own: see 'A stream for each request' in the documentation"
    )


def died(worker: str, status: ExitStatus, last_index: int | None, state: str) -> WorkerDiedError:
    """Make the error for a worker that ended without a report."""
    message = f"the {worker} died{_when(last_index)}, in state {state}: {status.text}"
    if state == "initialization" and status.code == unguarded.EXIT_CODE:
        message = f"the {worker} could not start: {unguarded.MESSAGE}"
    else:
        message += _meaning(status, state)
    return WorkerDiedError(
        message,
        exit_code=status.code,
        signal_name=status.signal_name,
        last_index=_if_known(last_index),
        state=state,
    )


_CRASHES = frozenset({"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"})


def _meaning(status: ExitStatus, state: str) -> str:
    """Say what an exit status means, and how to find out more."""
    if status.code == 1:
        first = ". Each worker imports the main script first" if state == "initialization" else ""
        return f"; see its traceback above, unless its code has called os._exit(){first}"
    if status.signal_name == "SIGKILL" and "memory" not in status.text:
        return "; the system does so when memory runs out, and so does `kill -9`"
    if status.signal_name in _CRASHES:
        return "; code in C has crashed: with initializer=faulthandler.enable it prints where"
    if status.code is None or status.code < 0:
        return ""
    if state == "initialization":
        other = f", or {status.unless_begun}" if status.unless_begun else ""
        return (
            "; its code has called os._exit(), or the main script, which each worker imports "
            f"first, has called sys.exit(){other}"
        )
    other = "" if status.code else ", or memory has run out where the worker needed it to go on"
    return f"; its code, or a library, has called os._exit(){other}"


def pass_open(method: str) -> errors.PassOpenError:
    """Make the error for a call while an iterator is open."""
    return errors.PassOpenError(
        f"{method!r} cannot be called while an iterator over the iterable is open; take it to its "
        "end, leave the loop, or close() the iterator first"
    )


WITHOUT_INPUT = (
    f"it was started again {MOST_WITHOUT_INPUT} times in a row, and has begun no input since"
)


def _when(last_index: int | None) -> str:
    if last_index == UNKNOWN:
        return ""
    return " before any item" if last_index is None else f" after the item of index {last_index}"


def _if_known(index: int | None) -> int | None:
    """Return the index of an item as users see it."""
    return None if index == UNKNOWN else index


def refusal(error: FarsideError) -> str:
    """Return why a subinterpreter has failed: extension modules have refused to load in it."""
    several = len(error.refused) > 1
    what = (
        f"the extension module{'s' * several} {', '.join(error.refused)} "
        f"do{'es' * (not several)} not support loading in subinterpreters"
    )
    if error.refused_module is not None:
        return what
    return f"the subinterpreter failed ({one_line(error)}), and {what}"


def error_of(ending: Ending, member: Member) -> FarsideError:
    """Make the exception that says why a worker's conversation is over. This may run user code."""
    name, cause, detail, state = member.name, ending.cause, ending.detail, ending.state
    if cause in {causes.HERE, causes.CUT_OFF}:
        error: FarsideError = for_later(detail)  # a copy: raising adds frames, which are not kept
        return error
    if cause == causes.FAILED:
        error = to_exception(detail, name, ending.method or "")
        # If not, a library may have handled the refusal, or a process has its own subinterpreter.
        refused = detail.refused_module is not None and member.backend == "subinterpreter"
        return _no_fallback(error) if refused and member.options.fallback is None else error
    if cause in {causes.DIED, causes.TIMED_OUT}:
        dead, last = cause == causes.DIED, ending.last_index
        error = died(name, detail, last, state) if dead else _timed_out(ending, member)
        if ending.without_input > MOST_WITHOUT_INPUT:
            error.args = (joined(error.args[0], WITHOUT_INPUT),)
        elif dead and state == "iteration" and detail.again and not member.options.max_restarts:
            more = "with max_restarts=1, another worker would take its place and go on"
            error.args = (f"{error.args[0]}; {more}",)
        return error
    if cause in _DISOBEYED:
        return errors.ProtocolError(f"the {name} {_DISOBEYED[cause]}")
    return errors.ProtocolError(detail) if cause == causes.BROKEN else closed(None)


def death_at(number: int, unit: str, ending: Ending, member: Member) -> FarsideError:
    """Make the exception for an input of a map, or a task of an executor, that ended a worker."""
    error = error_of(ending, member)
    vars(error)["input_index"] = number
    note(error, f"the {unit} of index {number}")
    return error


_DISOBEYED = {
    causes.REFUSED: "refused a command",
    causes.RETIRED: "was to end after its last task, and goes on",
}


def locate(
    error: BaseException,
    shard: int,
    item: int,
    unit: str | None,
    turns: Sequence[int] = (),
    *,
    noun: str = "shard",
    name: str = "",
) -> None:
    """Add to an exception, once, at which shard it was raised, and at which of its items."""
    # With `unit`, which is what a shard is called, each has one item. `turns` has all the shards
    # that the worker reads in turn. `name` is what the user gave for the shard.
    if getattr(error, "shard", None) is not None:
        return
    named = vars(error).get("item_index") not in {None, UNKNOWN}
    if named and isinstance(error, ReplayDivergedError):  # farside's own names what differs
        vars(error)["shard"] = shard
        return
    which = f"{shard} ({name})" if name else f"{shard}"
    where = f"in {unit} {which}" if unit else f"in {noun} {which}, at its item of index {item}"
    if isinstance(error, WorkerDiedError):  # what it made in its last milliseconds is lost
        where += ", or soon after"
        if len(turns) > 1 and not unit:
            where += f", in one of the {noun}s {', '.join(map(str, sorted(turns)))}"
    fields = vars(error)
    fields["shard"] = shard
    if "item_index" in fields:
        fields["item_index"] = item
    if "last_index" in fields:
        fields["last_index"] = item - 1 if item else None
    note(error, where)


def _no_fallback(error: FarsideError) -> errors.BackendUnavailableError:
    what = "the subinterpreter backend cannot run this fn"
    cure = "use iterate_in_subprocess, or leave fallback='subprocess'"
    made = unavailable(what, refusal(error), cure, backend="subinterpreter")
    made.__cause__ = error
    return made


def _timed_out(ending: Ending, member: Member) -> FarsideError:
    limit, beside = ending.limit, ""
    seconds: float = getattr(member.options, limit)
    if limit == "init_timeout":
        what = "its initialization did not end"
        if seconds == member.options.timeout:
            beside = " (the value of timeout, unless it is given)"
    elif limit == "task_timeout":
        what = "no result came"
    elif ending.method is not None:
        what = f"the call of {ending.method!r} did not return"
    else:
        what, when = "no item came", _when(ending.last_index)
        beside = f" ({when.strip()})" if when else ""
    stack = None
    if ending.detail is not None:
        try:
            stack = read_stack(ending.detail.body)
        except errors.ProtocolError as error:
            return error
    where = member.no_stack if stack is None else f"it was here:\n\n{stack.rstrip()}"
    return errors.WorkerTimeoutError(
        f"the {member.name} was ended: {what} within {limit}={seconds} seconds{beside}; {where}",
        seconds=seconds,
        last_index=_if_known(ending.last_index),
        state=ending.state,
        worker_stack=stack,
    )


_CURE = (
    "return something that can be iterated again and again, such as a list or an object whose "
    "__iter__ makes a new iterator; or use iterate_in_workers, which calls fn(shard) in each pass"
)
USED_UP = (
    "this pass is empty, since fn returned a one-shot iterator that an earlier pass has used up; "
    + _CURE
)
CONTINUED = (
    "this pass goes on after an earlier one that was left, since fn returned a one-shot iterator; "
    "items that the worker had made ahead are lost; " + _CURE
)
