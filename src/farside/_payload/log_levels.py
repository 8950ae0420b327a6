"""The levels of the parent's loggers, on their way into a worker.

What the parent would not show need not be sent. Nothing here imports `logging`.
"""

from __future__ import annotations

import sys

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Levels(NamedTuple):
    """Levels of loggers."""

    root: int
    disable: int
    loggers: list[tuple[str, int, bool]]


def flatten() -> Levels | None:
    """Return the levels of this interpreter's loggers: name, level and whether it is disabled.

    Only of those that have one of their own. None if nobody has imported `logging`.
    """
    logging: Any = sys.modules.get("logging")
    root = getattr(logging, "root", None)  # another thread may just be importing it
    if root is None:
        return None
    loggers = [
        (name, logger.level, bool(logger.disabled))
        for name, logger in list(root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and (logger.level or logger.disabled)
    ]
    return Levels(root.level, root.manager.disable, loggers)


def install(levels: Levels | None) -> None:
    """Let the loggers of this interpreter have these levels, if there is `logging`."""
    logging: Any = sys.modules.get("logging")
    if logging is None or levels is None:
        return
    logging.disable(levels.disable)
    logging.root.setLevel(levels.root)
    for name, level, disabled in levels.loggers:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.disabled = disabled
