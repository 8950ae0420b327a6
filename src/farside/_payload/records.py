"""Turns log records and warnings into data that crosses, whatever they hold.

Each body is a pickled tuple, which begins with its kind. A record crosses as
`logging.handlers.QueueHandler` prepares it: with the message formatted, and the exception as text.
Nothing here raises, unless memory runs out.
"""

from __future__ import annotations

import _pickle as pickle
import sys

from . import pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any, TypeAlias

    Frozen: TypeAlias = bytes | str | dict[str, "Frozen"]  # pickled, a text, or a dict of these

RECORD = "record"  # ``(RECORD, attributes, attributes that are pickled or text)``
WARNING = "warning"  # ``(WARNING, (module, name) of each class, text, file, line number, line)``
DROPPED = "dropped"  # ``(DROPPED, how many records and warnings found no room)``
_MOST = 500  # characters of a value that are shown
_PLAIN = frozenset({str, int, float, bool, type(None)})
_LEFT_OUT = frozenset({"msg", "args", "exc_info", "exc_text", "message", "asctime"})


def flatten_record(record: logging.LogRecord) -> bytes:
    """Turn a log record into data; attached objects are pickled, or else replaced by ``repr()``."""
    plain: dict[str, Any] = {"args": None, "exc_info": None, "exc_text": _exception(record)}
    rest: dict[str, Frozen] = {}
    fields = _fields(record)
    if fields is None:
        plain["msg"] = _message(record)
    else:
        rest["msg"] = fields
    for name, value in vars(record).items():
        if name in _LEFT_OUT:
            continue
        if type(value) in _PLAIN:
            plain[name] = value
        else:
            rest[name] = _freeze(value)
    return pickle.dumps((RECORD, plain, rest), 5)


def flatten_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None
) -> bytes:
    """Turn a warning into data: its classes by name, the nearest first, and its text."""
    classes = [
        (str(cls.__module__), str(cls.__qualname__))
        for cls in category.__mro__
        if issubclass(cls, Warning)
    ]
    return pickle.dumps((WARNING, classes, text_of(message), str(filename), int(lineno), line), 5)


def flatten_line(text: str, *, warning: bool) -> bytes:
    """Turn a line of farside's own into data: it is logged with level WARNING or INFO."""
    return pickle.dumps((RECORD, own_record(text, warning=warning), {}), 5)


def own_record(text: str, *, warning: bool) -> dict[str, Any]:
    number, name = (30, "WARNING") if warning else (20, "INFO")
    return {"name": "farside", "levelno": number, "levelname": name, "msg": text}


def flatten_dropped(count: int) -> bytes:
    return pickle.dumps((DROPPED, count), 5)


def _message(record: logging.LogRecord) -> str:
    try:
        return str.__str__(record.getMessage())
    except Exception as error:  # its arguments do not fit, or their __str__ raises
        given = f"{text_of(record.msg, repr)} % {text_of(record.args, repr)}"
        return f"{given} ({type(error).__name__}: {text_of(error)})"


def _fields(record: logging.LogRecord) -> dict[str, Frozen] | None:
    """Return the contents of a message that is a ``dict``: formatters of structlog need them."""
    if type(record.msg) is not dict or record.args:
        return None
    fields = record.msg.copy()  # at once: another thread may change it
    if any(type(name) is not str for name in fields):
        return None
    return {name: value if type(value) is str else _freeze(value) for name, value in fields.items()}


def _exception(record: logging.LogRecord) -> str | None:
    if record.exc_text or not record.exc_info:
        return record.exc_text
    try:
        return str(sys.modules["logging"].Formatter().formatException(record.exc_info))
    except Exception:  # an exception without a text
        return text_of(record.exc_info, repr)


def _freeze(value: object) -> bytes | str:
    try:
        return b"".join(pickling.dumps(value))
    except Exception:  # user code: __reduce__
        return text_of(value, repr)


def text_of(value: object, make: Callable[[object], str] = str) -> str:
    """Return a text for any value."""
    try:
        return str.__str__(make(value))
    except Exception:  # user code
        return f"<{type(value).__name__} whose {make.__name__}() failed>"


def shown(value: object) -> str:
    """Return a text for any value. Users often pass the data itself, which may be large."""
    text = text_of(value, repr)
    return text if len(text) <= _MOST else f"{text[:_MOST]}… ({len(text)} characters)"
