"""What the user is to be told: warnings, and the log records of workers."""

from __future__ import annotations

import pickle
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._payload import pickling
from .._payload.one_line import one_line
from .._payload.records import DROPPED, RECORD, WARNING, own_record
from .._payload.verbosity import awaited
from .._system.signals import try_lock
from ..errors import ProtocolError

if TYPE_CHECKING:
    from .._payload.records import Frozen


class News:
    """What the user is told, in order: functions that warn, raise, or give a record to the loggers.

    They call user code, such as handlers of log records: it may raise, take its time, close the
    iterable or start another. So they are called while no lock of farside is held, by one thread at
    a time. Another thread leaves what there is to that one, and so does a handler that iterates.
    """

    nobody_catches = False  # what that raises is dropped, where farside's own threads alone deliver

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], object]] = deque()  # any thread may append to it
        self._delivering = threading.Lock()  # never waited for

    def deliver(self, problems: list[Exception] | None = None) -> None:
        """Tell the user what there is; `problems`, if it is there, gets what that raises.

        If it is not, what a handler or a filter raises is raised, and the rest is told next time.
        """
        # Looked at again after the lock was given back: somebody may have relied on this thread.
        while self.waiting:
            try:
                if not try_lock(self._delivering, self._deliver):
                    break  # by another thread, or further up in this one
            except Exception as problem:
                if self.nobody_catches:
                    continue
                if problems is None:
                    raise
                problems.append(problem)

    def _deliver(self) -> bool:
        while self.waiting:
            self.waiting.popleft()()
        return True


def show(body: bytes | bytearray | memoryview, origin: dict[str, str]) -> None:
    """Give a record or warning to this interpreter's loggers, or to `warnings.showwarning`.

    `origin` has attributes that a record gets, unless a worker's worker has set them. It is a
    ProtocolError if it is none.
    """
    try:
        content: Any
        kind, *content = pickle.loads(body)
    except Exception as error:
        raise ProtocolError(f"a record that cannot be read: {error}") from error
    if kind == RECORD:
        _log(origin, *content)
    elif kind == WARNING:
        _warn(*content)
    elif kind == DROPPED:
        _tell_dropped(origin, *content)
    else:
        raise ProtocolError(f"a record of an unknown kind: {kind!r}")


def _log(origin: dict[str, str], plain: dict[str, Any], rest: dict[str, Frozen]) -> None:
    import logging  # only who logs pays for it

    attributes = {**origin, **plain}
    for name, value in rest.items():
        attributes[name] = _thaw(value)
    record = logging.makeLogRecord(attributes)
    logger = _logger_of(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _logger_of(name: str) -> Any:
    """Return the logger of a name; where there is none, one that nobody else will find.

    A library that is imported here later may make it of a class of its own, as Astropy does, and
    fails where it finds another. But where the user has set the class of all loggers, each is made
    once and for all: it may open a file.
    """
    import logging

    known, plain = logging.root.manager.loggerDict, logging.getLoggerClass() is logging.Logger
    if name == logging.root.name or isinstance(known.get(name), logging.Logger) or not plain:
        return logging.getLogger(name)
    logger = logging.Logger(name)  # noqa: LOG001
    logger.parent, above = logging.root, name
    while above:
        nearest = known.get(above)
        if isinstance(nearest, logging.Logger):
            logger.parent = nearest
            break
        logger.level = logger.level or awaited.get(above, (0,))[0]  # this may be a worker itself
        above = above.rpartition(".")[0]
    return logger


def _thaw(frozen: Frozen) -> Any:
    if isinstance(frozen, str):
        return frozen
    if isinstance(frozen, dict):
        return {name: _thaw(value) for name, value in frozen.items()}
    try:
        return pickling.loads(frozen)
    except Exception as error:  # it is something that only the worker can import
        return f"<does not unpickle here ({one_line(error)})>"


def _warn(
    classes: list[tuple[str, str]], text: str, filename: str, lineno: int, line: str | None
) -> None:
    message = _make_warning(classes, text)
    # The worker's filters have let it pass; what records or replaces the showing here gets it.
    warnings.showwarning(message, type(message), filename, lineno, line=line)


def _make_warning(classes: list[tuple[str, str]], text: str) -> Warning:
    """Make a warning of the nearest class that is known here; nothing is imported for it."""
    for module, name in classes:
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        try:
            # Not by its constructor, which may take other arguments.
            message: Warning = Warning.__new__(found, text)
            if str(message) == text:
                return message
        except Exception:  # noqa: S112  not there, no warning, or with a text of its own making
            continue
    return UserWarning(text)


def _tell_dropped(origin: dict[str, str], count: int) -> None:
    text = (
        f"the {origin['worker_name']} dropped {count} log records and warnings of its threads, "
        "since nobody took them for too long"
    )
    _log(origin, {**own_record(text, warning=True), "args": None}, {})
