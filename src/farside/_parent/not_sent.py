"""Makes the exceptions for what cannot be sent, since it does not pickle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._payload.failure import part_at_fault
from .._payload.one_line import one_line
from .._payload.pickling import or_cloudpickle
from .._payload.true_parts import is_a
from ..errors import NotPicklableError


def of_input(item: object, index: int, error: Exception) -> NotPicklableError:
    made = _made(f"the input of index {index}", [("input", item)], error)
    made.input_index = index
    return made


def of_arguments(
    method: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> NotPicklableError:
    """Return the exception for a call of the iterable's method."""
    return _made(f"the arguments of {method!r}", [("args", args), ("kwargs", kwargs)], error)


def of_task(call: Iterable[Any], error: BaseException) -> NotPicklableError:
    """Return the exception for a task: a function, its arguments, and its keyword arguments."""
    named = zip(("fn", "args", "kwargs"), call, strict=True)
    return _made("the task", named, error, "submit a function of a module, and arguments that do")


def _made(
    what: str,
    named: Iterable[tuple[str, Any]],
    error: BaseException,
    cure: str = "pass something that does",
) -> NotPicklableError:
    why = one_line(error)
    found = (part_at_fault(value, name, error) for name, value in named)
    if is_a(error, MemoryError):  # with more memory it may well pickle
        cure = "memory ran out in this process: pass less at a time"
    elif "through inheritance" in why:  # as multiprocessing says of its locks, queues and the like
        cure = "give it to an initializer, or pass a proxy of a multiprocessing.Manager"
    else:
        cure += or_cloudpickle(why)
    made = NotPicklableError(
        f"{what} cannot be sent to a worker: {next(filter(None, found), 'it')} does not pickle "
        f"({why}); {cure}"
    )
    made.__cause__ = error
    return made
