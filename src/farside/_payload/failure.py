"""Turns exceptions into data: all that the parent needs to raise them again, in types that cross.

`describe`, `freeze` and `part_at_fault` never raise, whatever the exception does in its ``__str__``
or ``__reduce__``.
"""

from __future__ import annotations

import os
import sys
from copyreg import dispatch_table

from .._named_tuple import NamedTuple
from . import pickling
from .reducers import of_users, table_of_items
from .refusals import PHRASE, refused
from .true_parts import traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any

    from .reducers import Table

_TEXT_LIMIT = 100_000  # characters of a message, traceback or stack; exceptions may cross whole
_REFUSAL = rf"module ['\"]?([\w.]+)['\"]? {PHRASE}"

_OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "_")
"""The paths of farside's private packages begin with this."""


class Failure(NamedTuple):
    stage: str
    item_index: int | None
    type_name: str
    message: str
    traceback: str
    exception: bytes | None
    refused_module: str | None
    refused: tuple[str, ...]
    culprit: str | None = None


def describe(
    error: BaseException, stage: str, index: int | None, culprit: str | None = None
) -> Failure:
    """Turn an exception of user code into data.

    The stage is ``"start"``, ``"load"``, ``"initializer"``, ``"fn"``, ``"iter"``, ``"next"`` or
    ``"pickle"``. The index is that of the item in the making. `culprit` names what does not pickle.
    """
    cls = type(error)
    name = _safe(lambda: f"{cls.__module__}.{cls.__qualname__}", "unknown type")
    name = name.removeprefix("builtins.")
    message = _message(error)
    traceback = _safe(lambda: _format(error), f"{name}: {message}\n")
    frozen, module = freeze(error), _refused(error)
    extensions = (refused.get(module, module),) if module else tuple(refused.values())
    return Failure(stage, index, name, message, traceback, frozen, module, extensions, culprit)


def part_at_fault(
    value: object, name: str, error: BaseException, table: Table | None = None
) -> str | None:
    """Name the part of a value that does not pickle, if it can be found: see `culprit.find`."""
    try:
        from . import culprit  # only when something fails
    except Exception:  # no descriptors, or no files, are left for the import
        return None
    return culprit.find(value, name, error, table)


def freeze(error: BaseException) -> bytes | None:
    """Pickle an exception so that loading it does not depend on its constructor.

    Python pickles an exception as a call of its class with ``args``. If the constructor takes other
    arguments, this fails only when the exception is loaded, far from the cause. So the class and
    the whole state are pickled instead, unless the class itself defines how it is pickled. The same
    is done for exceptions that this one holds, such as those of a group.
    """
    itself = _try_dumps(lambda: error) if _pickles_itself(type(error)) else None
    by_state = itself or _try_dumps(lambda: parts(error), lambda: of_held(error))
    return by_state or _try_dumps(lambda: error)


def _try_dumps(
    form: Callable[[], Any], reducers: Callable[[], dict[type, Any]] = dict
) -> bytes | None:
    try:
        return dumps(form(), reducers())
    except BaseException:  # user code: __reduce__ may raise anything
        return None


def dumps(form: Any, reducers: dict[type, Any]) -> bytes:
    """Pickle with reducers that come before those for items."""
    from collections import ChainMap  # only when something fails

    table: Any = ChainMap(reducers, table_of_items())
    return b"".join(pickling.dumps(form, table))


def parts(error: BaseException) -> tuple[Any, ...]:
    """Return the arguments from which `make` rebuilds an exception."""
    return type(error), error.args, state_of(error)


def make(cls: Any, args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """Make an exception without its ``__init__``, which may take other arguments."""
    try:
        error = cls.__new__(cls, *args)
    except Exception:  # a __new__ of the user's, with other arguments
        builtin = next(base for base in cls.__mro__ if base.__module__ == "builtins")
        error = builtin.__new__(cls, *args)
    BaseException.__setattr__(error, "args", args)  # the class's own may refuse: a frozen dataclass
    for name, value in state.items():
        try:
            BaseException.__setattr__(error, name, value)
        except (AttributeError, TypeError):
            continue  # read-only, so it follows from the rest
    return error


def of_held(error: BaseException) -> dict[type, Any]:
    """Return reducers for an exception and those that it holds, also in dicts, lists and tuples."""
    found: dict[type, Any] = {}
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, (BaseException, dict, list, tuple)) or id(each) in seen:
            continue
        seen.add(id(each))
        if not isinstance(each, BaseException):
            waiting += each.values() if isinstance(each, dict) else each
            continue
        if not _pickles_itself(type(each)):
            found[type(each)] = lambda held: (make, parts(held))
        waiting += [each.args, vars(each)]
    return found


def state_of(error: BaseException) -> dict[str, Any]:
    """Return all attributes of an exception, also those that C code or ``__slots__`` keep."""
    state = {}
    for cls in type(error).__mro__:
        for name, slot in vars(cls).items():
            if type(slot).__name__ in _SLOTS and not name.startswith("__") and name != "args":
                try:
                    value = slot.__get__(error)
                except Exception:  # noqa: S112  it was never set
                    continue
                if value is not None:
                    state[name] = value
    return {**state, **vars(error)}


_SLOTS = {"member_descriptor", "getset_descriptor"}


def _pickles_itself(cls: type) -> bool:
    ways = {"__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"}
    try:
        if cls in of_users or cls in dispatch_table:
            return True  # a reducer is registered
        own = [base for base in cls.__mro__ if base.__module__ != "builtins"]
        return any(ways & vars(base).keys() for base in own)
    except BaseException:  # user code: a metaclass
        return False


def _refused(error: BaseException) -> str | None:
    """Name the extension module that refused to load in a subinterpreter, if that is the cause."""
    try:
        import re  # only when something fails: it costs start-up time

        texts = [_message(each) for each in _chain(error) if isinstance(each, ImportError)]
    except BaseException:  # user code: even the attributes of an exception may raise
        return None
    found = next(filter(None, (re.search(_REFUSAL, text) for text in texts)), None)
    if found is None:
        return None
    # Python may say only the last part of the name.
    return next((name for name in refused if f".{name}".endswith(f".{found[1]}")), found[1])


def _message(error: BaseException) -> str:
    return _safe(lambda: str(error), "<str() of the exception failed>")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__context__, each.__cause__]


def _format(error: BaseException) -> str:
    import linecache  # only when something fails: it costs start-up time
    import traceback

    # Read the source of the main module first, or the traceback would ask the module for a loader.
    # It has none in a worker. From 3.15 on, that is a DeprecationWarning, which may be an error.
    file = getattr(sys.modules.get("__mp_main__"), "__file__", None)
    if file:
        linecache.getlines(file)
    return "".join(traceback.format_exception(type(error), error, of_user(traceback_of(error))))


def of_user(tb: TracebackType | None) -> TracebackType | None:
    """Skip farside's own frames at the top, unless there is nothing else."""
    start = tb
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(_OURS):
        tb = tb.tb_next
    return tb or start


def _safe(text: Callable[[], str], otherwise: str) -> str:
    try:
        result = text()
        return printable(result) if type(result) is str else otherwise
    except BaseException:  # user code: __str__ may raise anything
        return otherwise


def printable(text: str) -> str:
    """Return a text that can be encoded, without its middle if it is very long."""
    if len(text) > _TEXT_LIMIT:
        half = _TEXT_LIMIT // 2
        cut = len(text) - 2 * half
        text = f"{text[:half]}\n… {cut} characters left out …\n{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()
