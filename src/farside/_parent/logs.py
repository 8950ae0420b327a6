"""Delivers warnings, and the log records of workers, to the user."""

from __future__ import annotations

import pickle
import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._payload import pickling
from .._payload.one_line import one_line
from .._payload.records import DROPPED, RECORD, WARNING, own_record
from .._payload.verbosity import awaited, find_class
from .._system.signals import try_lock
from ..errors import ProtocolError

if TYPE_CHECKING:
    from .._payload.records import Frozen


class News:
    """A queue of what the user is told: functions that warn, raise, or give a record to loggers.

    They call user code, such as handlers of log records, which may raise, take long, close the
    iterable or start another. So one thread at a time calls them, and holds no lock that another
    thread waits for. Any other thread leaves the queue to that one. So does a handler that iterates
    itself.
    """

    nobody_catches = False  # whether only farside's own threads deliver: then errors are dropped

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], object]] = deque()  # any thread may append to it
        self._delivering = threading.Lock()  # never waited for

    def deliver(self, problems: list[Exception] | None = None) -> None:
        """Tell the user everything in the queue. Append the exceptions to `problems`, if given.

        If it is None, an exception of a handler or a filter is raised, and the rest is told later.
        """
        # Checked again after the lock was released: another thread may have relied on this one.
        while self.waiting:
            try:
                if not try_lock(self._delivering, self._deliver):
                    break  # another thread delivers, or this one further up its stack
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
    """Give a record to this interpreter's loggers, or a warning to `warnings.showwarning`.

    `origin` has attributes that a record gets, unless a worker's own worker has set them. Raise
    ProtocolError if `body` is neither.
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
    import logging  # imported only if something is logged

    thawed = {name: _thaw(value) for name, value in rest.items()}
    record = logging.makeLogRecord({**origin, **plain, **thawed})
    logger = _logger_of(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _logger_of(name: str) -> Any:
    """Return the logger of a name. If there is none, make one that is not registered.

    A library that is imported here later may make this logger of a class of its own, as Astropy
    does, and fails if it finds another one. But if the user has set a class for all loggers, each
    is registered, and so made only once: it may open a file.
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
    # The worker's filters have let it pass, so it goes right to what shows or records warnings.
    warnings.showwarning(message, type(message), filename, lineno, line=line)


def _make_warning(classes: list[tuple[str, str]], text: str) -> Warning:
    """Make a warning of the nearest class that is known here; nothing is imported for it."""
    for module, name in classes:
        try:
            # Not by its constructor, which may take other arguments.
            message: Warning = Warning.__new__(find_class(module, name), text)
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
    _log(origin, own_record(text, warning=True), {})
