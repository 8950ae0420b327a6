"""The factory that a user names, and what keeps a value from being pickled."""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEPTH = 8


def load(name: str) -> Callable[[], Any]:
    """Import a factory by its name, ``module:callable``. The current folder is searched too.

    Raises:
        CommandError: there is none, or it is not to be called without arguments.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise CommandError(f"{name!r} names no factory; write module:callable, as in samples:train")
    if os.sep in module_name or (module_name.endswith(".py") and os.path.isfile(module_name)):
        raise CommandError(
            f"{module_name} is a path; write the name of the module, as in samples:train, "
            "and run from the folder that has it"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        value: Any = import_module(module_name)
    except Exception as error:
        raise CommandError(
            f"{module_name} cannot be imported ({type(error).__name__}: {error}); "
            "run from the folder that has it, or install it"
        ) from error
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise CommandError(f"{module_name} has no {attribute}; name a callable of it") from None
    _check(value, name)
    fn: Callable[[], Any] = value
    return fn


def _check(value: Any, name: str) -> None:
    if not callable(value):
        raise CommandError(
            f"{name} is not callable ({type(value).__name__}); name what you pass as fn"
        )
    try:
        inspect.signature(value).bind()
    except TypeError as error:
        raise CommandError(
            f"{name} cannot be called without arguments ({error}); name something like "
            "functools.partial(callable, argument)"
        ) from None
    except ValueError:
        pass  # a callable of C code that does not tell


def why_unpicklable(value: Any, name: str) -> str | None:
    """Name the innermost part of a value that does not pickle, and the error; None if it does.

    Example:
        >>> import functools, threading
        >>> why_unpicklable(functools.partial(print, {"key": threading.Lock()}), "fn")
        "fn.args[0]['key'] does not pickle (TypeError: cannot pickle '_thread.lock' object)"
        >>> why_unpicklable(functools.partial(print, 3), "fn")
    """
    error = _error(value)
    if error is None:
        return None
    path = name
    for _ in range(_DEPTH):
        for where, part in _parts(value):
            problem = _error(part)
            if problem is not None:
                path, value, error = path + where, part, problem
                break
        else:
            break
    return f"{path} does not pickle ({type(error).__name__}: {error})"


def _error(value: Any) -> Exception | None:
    try:
        pickle.dumps(value, 5)
    except Exception as error:  # user code
        return error
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value is made of, and how to get at it."""
    if isinstance(value, functools.partial):
        yield ".func", value.func
        yield ".args", list(value.args)
        yield ".keywords", value.keywords
    elif isinstance(value, dict):
        for key, part in value.items():
            yield f"[{key!r}]", part
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif inspect.ismethod(value):
        yield ".__self__", value.__self__
    elif not isinstance(value, type) and not inspect.isfunction(value):
        for key, part in getattr(value, "__dict__", {}).items():
            yield f".{key}", part
