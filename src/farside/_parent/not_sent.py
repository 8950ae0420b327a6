"""The exceptions of inputs and tasks that cannot be sent to a worker, since they do not pickle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._payload.one_line import one_line
from .._payload.pickling import or_cloudpickle
from ..errors import NotPicklableError


def of_input(item: object, index: int, error: Exception) -> NotPicklableError:
    """Return the exception of an input."""
    what, why = _culprit([("input", item)], error), one_line(error)
    made = NotPicklableError(
        f"the input of index {index} cannot be sent to a worker: {what} does not pickle "
        f"({why}); {_cure(why, 'pass something that does')}"
    )
    made.__cause__, made.input_index = error, index
    return made


def of_task(call: Iterable[Any], error: BaseException) -> NotPicklableError:
    """Return the exception of a task: of a function, its arguments, and those by name."""
    named = zip(("fn", "args", "kwargs"), call, strict=True)
    what, why = _culprit(named, error), one_line(error)
    made = NotPicklableError(
        f"the task cannot be sent to a worker: {what} does not pickle ({why}); "
        f"{_cure(why, 'submit a function of a module, and arguments that do')}"
    )
    made.__cause__ = error
    return made


def _culprit(named: Iterable[tuple[str, Any]], error: BaseException) -> str:
    from .._payload import culprit  # only when something fails

    found = (culprit.find(value, name, error) for name, value in named)
    return next(filter(None, found), "it")


def _cure(why: str, usual: str) -> str:
    if "through inheritance" in why:  # as multiprocessing says of its locks, queues and the like
        return "give it to an initializer, or pass a proxy of a multiprocessing.Manager"
    return usual + or_cloudpickle(why)
