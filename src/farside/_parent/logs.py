"""What the user is to be told: warnings, and the log records of workers."""

from __future__ import annotations

import pickle
import sys
import threading
import warnings
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .._payload.one_line import one_line
from .._payload.records import DROPPED, RECORD, WARNING, own_record
from .._system.signals import try_lock
from ..errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .member import Member


class Origin(NamedTuple):
    """Where a record comes from: attributes that it gets, unless a worker's worker has set them."""

    worker_name: str
    worker_backend: str
    worker_label: str


class Logs:
    """Records of one worker, in order, on their way to the loggers.

    Handlers are user code: they may raise, take their time, close the iterable or start another. So
    they are called while no lock of farside is held, by one thread at a time. Another thread leaves
    what it has received to that one, and so does a handler that iterates itself.

    Attributes:
        waiting: what has arrived.
    """

    def __init__(self) -> None:
        self.waiting: deque[bytes | bytearray | memoryview] = deque()
        self._delivering = threading.Lock()  # never waited for

    def deliver(self, origin: Origin, problems: list[Exception] | None) -> None:
        """Give the loggers what has arrived; `problems` gets what handlers raise, if it is there.

        Raises:
            BaseException: whatever a handler raises. The other records are delivered next time.
        """
        # Looked at again after the lock was given back: somebody may have relied on this thread.
        while self.waiting:
            try:
                if not try_lock(self._delivering, partial(self._deliver, origin)):
                    break  # by another thread, or further up in this one
            except Exception as problem:
                if problems is None:
                    raise
                problems.append(problem)

    def _deliver(self, origin: Origin) -> bool:
        while self.waiting:
            show(self.waiting.popleft(), origin)
        return True


class News:
    """Notices, which warn or raise, and whether there is something to deliver. For any thread.

    Attributes:
        there: whether there may be notices, or log records of a member.
    """

    def __init__(self) -> None:
        self.there = False
        self._notices: deque[Callable[[], object]] = deque()

    def add(self, notices: Iterable[Callable[[], object]]) -> None:
        """Let whoever waits next call functions."""
        self._notices.extend(notices)
        self.there = self.there or bool(self._notices)

    def deliver(self, members: Sequence[Member], problems: list[Exception] | None = None) -> None:
        """Give the user's loggers and warning filters what there is; see `Logs.deliver`."""
        self.there = False
        try:
            self._deliver(members, problems)
        except BaseException:
            self.there = True  # there may be more
            raise

    def _deliver(self, members: Sequence[Member], problems: list[Exception] | None) -> None:
        while self._notices:
            try:
                notice = self._notices.popleft()
            except IndexError:  # another thread has taken it
                break
            try:
                notice()
            except Exception as problem:
                if problems is None:
                    raise
                problems.append(problem)
        for member in members:
            member.deliver_logs(problems)


def show(body: bytes | bytearray | memoryview, origin: Origin) -> None:
    """Give a record or warning to this interpreter's loggers, or to `warnings.showwarning`.

    Raises:
        ProtocolError: it is none.
        BaseException: whatever a handler, or what stands in for `warnings.showwarning`, raises.
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


def _log(origin: Origin, plain: dict[str, Any], rest: dict[str, bytes | str]) -> None:
    import logging  # only who logs pays for it

    attributes = {**origin._asdict(), **plain}
    for name, value in rest.items():
        attributes[name] = value if isinstance(value, str) else _thaw(value)
    record = logging.makeLogRecord(attributes)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _thaw(frozen: bytes) -> Any:
    try:
        return pickle.loads(frozen)
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


def _tell_dropped(origin: Origin, count: int) -> None:
    text = (
        f"the {origin.worker_name} dropped {count} log records and warnings of its threads, since "
        "nobody took them for too long"
    )
    _log(origin, {**own_record(text, warning=True), "args": None}, {})
