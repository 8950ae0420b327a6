"""Imports and examines the factory that a user names on the command line."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import pickle
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from . import CommandError, search_current_folder


def load(name: str) -> Callable[[], Any]:
    """Import a factory, named as ``module:callable`` or ``module:callable(arguments)``.

    The current folder is searched too. With arguments, the factory is a `functools.partial`. Raise
    CommandError if there is no such factory, or if it cannot be called as it is named.
    """
    module, text = import_module_of(name)
    value = _evaluate(text, vars(module), module.__name__)
    _check(value, name)
    fn: Callable[[], Any] = value
    return fn


def import_module_of(name: str) -> tuple[ModuleType, str]:
    """Import the module of a factory, or raise CommandError; return it, and what is named in it."""
    module_name, colon, text = name.partition(":")
    if not (module_name and colon and text):
        raise CommandError(f"{name!r} names no factory; write module:callable, as in samples:train")
    if os.sep in module_name or (module_name.endswith(".py") and os.path.isfile(module_name)):
        raise CommandError(
            f"{module_name} is a path; write the name of the module, as in samples:train, "
            "and run from the folder that has it"
        )
    search_current_folder()
    try:
        return import_module(module_name), text
    except Exception as error:
        cure = ""
        if isinstance(error, ModuleNotFoundError):
            where = "run from the folder that has it, or " * (error.name == module_name)
            cure = f"; {where}install {error.name}"
        raise CommandError(
            f"{module_name} cannot be imported ({type(error).__name__}: {error}){cure}"
        ) from error


def _evaluate(text: str, names: dict[str, Any], module: str) -> Any:
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        told = f"{text!r} is not Python ({error.msg}); write a name or a call"
        raise CommandError(told) from None

    def value_of(part: ast.expr) -> Any:
        # The user's own command line may run the user's own code.
        return eval(compile(ast.Expression(part), "<factory>", "eval"), dict(names))  # noqa: S307

    try:
        if not isinstance(node, ast.Call) or value_of(node.func) is functools.partial:
            return value_of(node)
        unspellable = "<take>"  # no Python name, so it hides none of the user's
        names = {**names, unspellable: functools.partial(functools.partial, value_of(node.func))}
        node.func = ast.Name(unspellable, ast.Load())
        return value_of(ast.fix_missing_locations(node))
    except (AttributeError, NameError) as error:
        raise CommandError(f"{module} has no {text} ({error}); name a callable of it") from None
    except Exception as error:
        raise CommandError(f"{text} raises {type(error).__name__}: {error}") from error


def _check(value: Any, name: str) -> None:
    if not callable(value):
        raise CommandError(
            f"{name} is not callable ({type(value).__name__}); name what you pass as fn"
        )
    made = value if isinstance(value, functools.partial) else functools.partial(value)
    try:
        inspect.signature(made.func).bind(*made.args, **made.keywords)
    except TypeError as error:
        with_what = "with those" if "(" in name else "without"
        raise CommandError(
            f"{name} cannot be called {with_what} arguments ({error}); write "
            f"a call with what it needs, such as '{name.partition('(')[0]}(\"train.jsonl\")'; a "
            "function of shards is called with what setup makes, if there is one, and a shard"
        ) from None
    except Exception:  # noqa: S110  the worker will call it
        pass  # C code without a signature, or annotations that cannot be evaluated


class Passes:
    """Iterates on what a factory returns; calls it anew for each pass if that is an iterator."""

    def __init__(self, fn: Callable[[], Any]) -> None:
        self._fn = fn
        self._made = [fn()]

    def __iter__(self) -> Iterator[Any]:
        made = self._made.pop() if self._made else self._fn()
        iterator: Iterator[Any] = iter(made)
        if iterator is not made:
            self._made.append(made)
        return iterator


def module_of(fn: Any) -> str | None:
    """Return the name of the module that a worker imports for a factory, if it imports one."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__module__", None) or type(fn).__module__
    return None if name in {"builtins", "__main__"} else name


def why_unpicklable(fn: Any) -> str | None:
    """Name the innermost part of a factory that does not pickle, and the error; None if it does."""
    from .._payload import culprit

    try:
        pickle.dumps(fn, 5)
    except Exception as error:  # user code
        part = culprit.find(fn, "fn", error) or "fn"
        return f"{part} does not pickle ({type(error).__name__}: {error})"
    return None


def can_be_sent(fn: Any) -> bool:
    """Tell whether a factory can be sent to a subprocess, in any way."""
    from farside import NotPicklableError

    from .._backends.callables import pack_call
    from .._parent.options import check

    try:
        pack_call(check(fn, backend="subprocess"), main_importable=True)
    except NotPicklableError:
        return False
    return True
