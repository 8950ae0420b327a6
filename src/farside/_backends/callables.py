"""Pickles the user's callables for a worker, or raises an error that names the culprit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._payload import handlers, pickling
from .._payload.failure import part_at_fault
from .._payload.one_line import one_line
from .._payload.records import shown
from .._payload.reducers import Table
from .._payload.shared import (
    MadeForForkError,
    SharedCall,
    pretended_start,
    table_of_calls,
    table_within_start,
)
from .._worker.tasks import Tasks
from ..errors import NotPicklableError

if TYPE_CHECKING:
    from .._parent.options import Options

_CURE = (
    "define it at the top level of a module that the worker can import (functools.partial gives it "
    "arguments)"
)


class SharedByProcessesError(NotPicklableError):
    """An object can be sent only to a process that is being started, and the worker is none."""

    reason = ""  # the object, and that processes share it


def pack_call(options: Options, *, main_importable: bool, here: bool = False) -> bytes | SharedCall:
    """Pickle ``fn``, the initializers and the finalizers, or raise NotPicklableError.

    If they hold objects that can be sent only as a process starts, return a `SharedCall` instead. A
    worker that is `here`, in this process, gets those objects as they are. `main_importable` is
    also true if the worker has the main module already.
    """
    with contextlib.suppress(NotPicklableError):
        return _pickle_once(options, main_importable=main_importable)
    with pretended_start():
        table = table_within_start(here=here)
        data, by_value = _pickle(options, table, main_importable=main_importable)
    return SharedCall(options.call, by_value=by_value, refers_to_main=refers_to_main(data))


def pack_anywhere(options: Options, *, main_importable: bool) -> bytes:
    """Pickle them for a worker that cannot get them as its process starts, or raise an error."""
    call = pack_call(options, main_importable=main_importable)
    if isinstance(call, bytes):
        return call
    try:
        return _pickle_once(options, main_importable=main_importable)
    except NotPicklableError as error:  # the same as in `pack_call`: it leads to the object
        reason = f"{_shared_part(options, error)} is shared by processes"
        made = SharedByProcessesError(
            f"{reason}, and can be sent only to a process that is being started; use "
            "iterate_in_subprocess or backend='subprocess', or a proxy of a multiprocessing.Manager"
        )
        made.reason = reason
        raise made from error.__cause__


def _pickle_once(options: Options, *, main_importable: bool) -> bytes:
    """Return a pickle that suits any worker. Of workers that start together, the first makes it."""
    kept = {} if options.pickles is None else options.pickles
    if main_importable not in kept:
        table = table_of_calls()
        kept[main_importable] = _pickle(options, table, main_importable=main_importable)[0]
    packed: bytes = kept[main_importable]
    return packed


def _pickle(options: Options, table: Table, *, main_importable: bool) -> tuple[bytes, bool]:
    """Return the pickle, and whether cloudpickle was needed for it."""
    problem: BaseException | None = None
    ways: Any = pickling.dumps_by_reference, pickling.dumps_by_value
    for by_value, dumps in enumerate(ways):
        try:
            data = dumps(options.call, table=table)
        except Exception as error:  # __reduce__ is user code
            if handlers.raised(error):
                raise
            problem = error
        else:
            if data is not None and (by_value or main_importable or not refers_to_main(data)):
                return data, bool(by_value)
    name, value = _culprit(options, table, by_value=problem is not None)
    if problem is None:
        raise NotPicklableError(
            f"{name}={shown(value)} refers to {pickling.MAIN_STAYS_HERE}; "
            f"{_CURE}{pickling.or_cloudpickle()}"
        ) from None
    try:
        part = part_at_fault(value, name, problem, table) or name
        what = "it" if part.split(": ")[0] == name else part
        raise NotPicklableError(
            f"{name}={shown(value)} cannot be sent to a worker: {what} does not pickle "
            f"({one_line(problem)}); {_cure(problem, _where(options, name))}"
        ) from problem
    finally:
        problem = None  # its traceback has this frame


def _where(options: Options, name: str) -> str:
    """Return where a worker can make what does not pickle, instead of what has this name."""
    takes_setup = isinstance(options.fn, Tasks) and name in {"fn", "function", "setup"}
    return "in setup" if takes_setup else "in an initializer"


def _cure(problem: BaseException, where: str) -> str:
    if isinstance(problem, MadeForForkError):
        return (
            "make it with multiprocessing.get_context('forkserver'), or 'spawn', which suit each "
            "other, or start the worker with mp_context='fork'"
        )
    if isinstance(problem, TypeError):  # a lock, a file: see `or_cloudpickle`
        return f"make in the worker what does not, {where} or where it is first used"
    return _CURE + pickling.or_cloudpickle()


def _named(options: Options) -> Iterator[tuple[str, Any]]:
    if isinstance(options.fn, Tasks):
        yield from options.fn.named()
    else:
        yield "fn", options.fn
    yield from ((f"initializer[{i}]", each) for i, each in enumerate(options.initializers))
    yield from ((f"finalizer[{i}]", each) for i, each in enumerate(options.finalizers))


def _culprit(options: Options, table: Table, *, by_value: bool) -> tuple[str, Any]:
    """Return the argument that cannot be sent; `by_value` if the last try was with cloudpickle."""
    for name, value in _named(options):
        try:
            data = pickling.dumps_by_value(value, table=table) if by_value else None
            if data is None:
                data = pickling.dumps_by_reference(value, table=table)
        except Exception:
            return name, value
        if not by_value and refers_to_main(data):
            return name, value
    return "fn", options.fn


def _shared_part(options: Options, error: BaseException) -> str:
    """Name the object that can be sent only as a process starts, and its type."""
    table = table_of_calls()
    found = (part_at_fault(value, name, error, table) for name, value in _named(options))
    if part := next(filter(None, found), ""):
        return part
    name, value = _culprit(options, table, by_value=True)
    return f"{name}={shown(value)}"


def refers_to_main(call: bytes | SharedCall) -> bool:
    if isinstance(call, SharedCall):
        return call.refers_to_main
    return pickling.refers_to_main(call)
