"""Rebuilds exceptions of a worker's user code: alone, and combined with a farside exception."""

from __future__ import annotations

from functools import lru_cache
from traceback import StackSummary
from typing import Any

from ..errors import ProtocolError, WorkerFailedError
from . import pickling
from .failure import Failure, dumps, make, of_held, parts, printable, state_of


def read_failure(told: pickling.Body | tuple[Any, ...]) -> Failure:
    """Return a failure, from its fields or a pickle of them; a ProtocolError if it is none."""
    try:
        failure = Failure(*(told if isinstance(told, tuple) else pickling.loads(told)))
        if not (all(map(isinstance, failure, _FIELDS)) and {*map(type, failure.refused)} <= {str}):
            raise TypeError("fields of other types")
    except Exception as error:
        raise ProtocolError(f"the worker sent a failure that cannot be read: {error}") from error
    return failure


_NONE = type(None)
_FIELDS: Any = (str, (int, _NONE), str, str, str, (bytes, _NONE), (str, _NONE), tuple, (str, _NONE))
"""Types of the fields of a `Failure`."""


def thaw(data: bytes | None) -> BaseException | None:
    if data is None:
        return None
    try:
        frozen = pickling.loads(data)
        return frozen if isinstance(frozen, BaseException) else make(*frozen)
    except KeyboardInterrupt:
        raise
    except BaseException:  # user code; the failure then arrives as text
        return None


def make_dual(
    base: type[WorkerFailedError], original: BaseException, fields: dict[str, Any]
) -> WorkerFailedError | None:
    """Make an exception of both types; None if that is impossible, or must not be raised again."""
    # In the parent, these would silently end the surrounding loop, or the process.
    ends = isinstance(original, (StopIteration, StopAsyncIteration))
    if ends or not isinstance(original, Exception):
        return None
    kind: type[Exception] = type(original)
    state = {**fields, **state_of(original)}
    if isinstance(original, WorkerFailedError) and "_kinds" in state:
        # It failed in a worker of the worker. The user may catch the innermost type.
        kind, state = state["_kinds"][1], {**state, **fields}
    if "__notes__" in state:
        state["__notes__"] = list(state["__notes__"])  # the original keeps a list of its own
    try:
        error: WorkerFailedError = _revive(base, kind, original.args, state)
    except Exception:  # a final class, a metaclass, an __init_subclass__ …
        return None
    return error


@lru_cache(maxsize=256)
def _dual_class(base: Any, original: Any) -> Any:
    # The original comes first: its layout and its __str__ are the ones that count.
    bases: tuple[Any, ...] = (original, base)
    if issubclass(original, base) or issubclass(base, original):
        bases = (original if issubclass(original, base) else base,)
    name = f"{base.__name__}[{original.__name__}]"
    return type(name, bases, {"__module__": base.__module__, "__reduce__": _reduce})


def _revive(
    base: type[WorkerFailedError],
    original: type[Exception],
    args: tuple[Any, ...],
    state: dict[str, Any],
) -> Any:
    kinds: Any = (base, original)  # lru_cache wants Hashable, and mypy takes no class for one
    error = make(_dual_class(*kinds), args, state)
    vars(error)["_kinds"] = (base, original)
    return error


def _reduce(self: Any) -> tuple[Any, ...]:
    _, args, state = parts(self)
    if held := of_held(self):
        return _revive_all, (*self._kinds, dumps((args, state), held))
    return _revive, (*self._kinds, args, state)


def _revive_all(base: type[WorkerFailedError], original: type[Exception], data: bytes) -> Any:
    return _revive(base, original, *pickling.loads(data))


def read_stack(body: bytes | bytearray | memoryview) -> str:
    try:
        texts = [_format_stack(title, places) for title, places in pickling.loads(body)]
    except OSError as error:  # no descriptors are left for modules that Python 3.15 imports here
        texts = [f"the stacks cannot be shown ({error})\n"]
    except Exception as error:
        raise ProtocolError(f"a report of stacks that cannot be read: {error}") from error
    return printable("\n".join(texts))


def _format_stack(title: str, places: list[tuple[str, int, str]]) -> str:
    lines = StackSummary.from_list([(file, line, name, None) for file, line, name in places])
    return f"{title}{':' if places else ''}\n{''.join(lines.format())}"
