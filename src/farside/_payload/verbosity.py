"""Carries warning filters and the levels of loggers from the parent into a worker.

Warning filters travel as plain data. Loading a filter must not import the module of its category:
that could fail, or be refused in a subinterpreter, although the iterable never uses the module.
With the levels of loggers, the worker need not send records that the parent would not show. Nothing
here imports `logging`.
"""

from __future__ import annotations

import sys
import warnings

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    # action, message, module and name of the category, module, line number; a pattern is a text
    # or a pair of text and flags
    PlainFilter: TypeAlias = tuple[str, Any, str, str, Any, int]


awaited: dict[str, tuple[int, bool]] = {}
"""For each logger that its library has yet to make here: the level, and whether it is disabled."""


class Levels(NamedTuple):
    root: int
    disable: int
    loggers: list[tuple[str, int, bool, bool]]  # name, level, disabled, of a plain class


def flatten_filters() -> list[PlainFilter]:
    # If warnings are aware of contexts, a block of `catch_warnings` has filters of its own.
    present: Any = getattr(warnings, "_get_filters", lambda: warnings.filters)
    plain = []
    for action, message, category, module, line in present():
        name = category.__module__, category.__qualname__
        plain.append((action, _text(message), *name, _text(module), line))
    return plain


def install_filters(filters: list[PlainFilter]) -> bool:
    """Set the filters whose categories this interpreter has; tell whether it has all of them."""
    found = []
    for action, message, home, name, module, line in filters:
        category = find_class(home, name)
        if category is not None:
            found.append((action, _pattern(message), category, _pattern(module), line))
    warnings.resetwarnings()  # tells the C half that the filters change
    warnings.filters[:] = found  # type: ignore[index]
    return len(found) == len(filters)


def flatten_levels() -> Levels | None:
    """Return the levels of loggers that have their own; None if nobody has imported `logging`."""
    logging: Any = sys.modules.get("logging")
    root = getattr(logging, "root", None)  # another thread may just be importing it
    if root is None:
        return None
    loggers = [
        (name, logger.level, bool(logger.disabled), type(logger) is logging.Logger)
        for name, logger in list(root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and (logger.level or logger.disabled)
    ]
    loggers += [(name, *waiting, False) for name, waiting in list(awaited.items())]
    return Levels(root.level, root.manager.disable, loggers)


def install_levels(levels: Levels | None) -> None:
    """Set the levels of the loggers of this interpreter, if `logging` is imported.

    A logger whose class is not `logging.Logger` is not made here. If it were, its library would
    find a logger without the methods that the library calls (Astropy fails then). So its level is
    `awaited` until the library has made the logger.
    """
    logging: Any = sys.modules.get("logging")
    if logging is None or levels is None:
        return
    logging.disable(levels.disable)
    logging.root.setLevel(levels.root)
    present = logging.root.manager.loggerDict
    for name, level, disabled, plain in levels.loggers:
        awaited[name] = level, disabled
        if plain or isinstance(present.get(name), logging.Logger):
            install_level(logging.getLogger(name))


def install_level(logger: Any) -> None:
    """Set the level that is awaited for a logger, if there is one."""
    level, logger.disabled = awaited.pop(logger.name, (None, logger.disabled))
    if level is not None:
        logger.setLevel(level)


def _text(pattern: Any) -> Any:
    return (pattern.pattern, pattern.flags) if hasattr(pattern, "flags") else pattern


def _pattern(text: Any) -> Any:
    if not isinstance(text, tuple):
        return text
    import re  # only where a filter has a pattern: it costs start-up time

    return re.compile(*text)


def find_class(home: str, name: str) -> Any:
    """Return a class of a module, by its qualified name; None if this interpreter has none."""
    found: Any = sys.modules.get(home)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
