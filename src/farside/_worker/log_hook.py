"""Sends the log records of a worker to the parent, as a handler of the root logger would do.

It is imported when something in the worker imports `logging`, which takes milliseconds.
"""

from __future__ import annotations

import logging
import sys
from functools import wraps

from .._payload.records import flatten_record
from .._payload.verbosity import Levels, awaited, install_level, install_levels
from . import forward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_call_handlers = logging.Logger.callHandlers
_get_logger = logging.Manager.getLogger
_basic_config = logging.basicConfig

# Handlers that were taken off are kept, since collecting one may have side effects.
_taken_off: list[logging.Handler] = []


def install(levels: Levels | None) -> None:
    """Send the records of all loggers from now on.

    This is not done by a handler of the root logger: `logging.basicConfig` does nothing if there is
    one, and `logging.config.dictConfig` removes handlers that it has not made.
    """
    logging.Logger.callHandlers = _forward  # type: ignore[method-assign]
    logging.Manager.getLogger = _make  # type: ignore[method-assign]
    logging.basicConfig = _configure
    install_levels(levels)


def take_over(levels: Levels | None) -> None:
    """Take off all present handlers, since they do what those of the parent do.

    A forked worker has inherited them. In other workers, they come from code that runs when a
    module is imported, and has run in the parent too. The parent's loggers decide what is shown.
    """
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            _taken_off.extend(logger.handlers)
            logger.handlers = []
            logger.propagate = True
    install_levels(levels)


def _forward(self: logging.Logger, record: logging.LogRecord) -> None:
    to = forward.current
    sent = to is not None and _reaches_root(self) and to.forward(lambda: flatten_record(record))
    # Without any handler, `callHandlers` would print a record that was sent.
    if not sent or self.hasHandlers():
        _call_handlers(self, record)


def _reaches_root(logger: logging.Logger) -> bool:
    while logger is not logging.root:
        if not logger.propagate or logger.parent is None:  # it may stand alone
            return False
        logger = logger.parent
    return True


@wraps(_get_logger)
def _make(self: logging.Manager, name: str) -> logging.Logger:
    logger = _get_logger(self, name)
    if name in awaited and self is logging.root.manager:  # its library is making it
        install_level(logger)
    return logger


@wraps(_basic_config)
def _configure(**options: Any) -> None:
    # `logging.info` and the like call this if the root logger has no handler. The parent's handlers
    # show the records, and one here would print them a second time.
    by_logging = sys._getframe(1).f_globals is vars(logging)  # noqa: SLF001
    if not by_logging or forward.current is None or not forward.current.is_here():
        _basic_config(**options)
