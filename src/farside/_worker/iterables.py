"""Helpers for the user's iterables and iterators, which may lack some methods."""

from __future__ import annotations

from itertools import chain, repeat

from .._in_c import partial
from .._payload import handlers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


def check_iterable(made: Any) -> Iterable[Any]:  # it is whatever fn returned
    """Check what ``fn`` returned, without calling its ``__iter__``: that belongs to a pass."""
    if is_iterable(made):
        return made  # type: ignore[no-any-return]
    raise TypeError(
        f"fn returned {type(made).__name__}, which is not iterable{or_awaited(made)}; "
        "return a list, a generator or any object with __iter__"
    )


def or_awaited(made: object) -> str:
    """Return what to add to the message about an object that is not iterable, if it is async."""
    awaits = hasattr(type(made), "__aiter__") or hasattr(type(made), "__await__")
    return ", and nobody awaits it in a worker (iterate in an event loop there)" if awaits else ""


def is_iterable(made: Any) -> bool:
    """Tell whether something can be iterated on, without calling its ``__iter__``."""
    return hasattr(type(made), "__iter__") or hasattr(type(made), "__getitem__")


def length_of(iterable: Any) -> int | None:
    """Return the length of an iterable; None if it has none, or cannot tell."""
    if not hasattr(type(iterable), "__len__"):
        return None
    try:
        return len(iterable)
    except Exception as error:  # user code
        if handlers.raised(error):
            raise
        return None


def find_method(made: object, name: str, origin: str) -> Callable[..., Any]:
    """Return a method of an object that the user's function named `origin` (fn, setup) returned."""
    if made is None and origin == "setup":
        raise AttributeError(
            f"there is nothing to call {name!r} of: no setup was given; pass setup, a function "
            "that makes it in each worker"
        )
    if name == "__getattribute__":  # as the builtin does: `__getattr__` may know it
        return partial(getattr, made)
    kind = type(made).__name__
    try:
        method = getattr(made, name)
    except AttributeError as error:
        from .._payload.one_line import one_line  # only when something fails

        raise AttributeError(
            f"{kind}, which {origin} returned, has no method {name!r} ({one_line(error)})"
        ) from error
    if not callable(method):
        raise TypeError(
            f"{name!r} of {kind}, which {origin} returned, is not a method; read it with "
            f"call('__getattribute__', {name!r})"
        )
    return method  # type: ignore[no-any-return]


def may_begin_again(kind: type) -> bool:
    """Tell whether an iterator's ``__iter__`` may begin it anew, as one written in Python may."""
    return isinstance(getattr(kind, "__iter__", None), type(may_begin_again))


def resumable(iterator: Iterator[Any]) -> Iterator[Any]:
    """Return an iterator for a ``for`` loop that only calls ``next()`` of the user's iterator.

    So that iterator never begins anew. It is not asked again after its end: it may wait for ever.
    """
    return chain(map(next, repeat(iterator)))


def begun_once(iterator: Iterator[Any]) -> Iterator[Any]:
    """Return an iterator for a ``for`` loop that does not let the user's iterator begin anew.

    The user's may have ``__next__`` alone.
    """
    unsafe = may_begin_again(type(iterator)) or not hasattr(type(iterator), "__iter__")
    return resumable(iterator) if unsafe else iterator


def close_generators(iterators: Iterable[Iterator[Any]]) -> None:
    """Close the iterators that are generators, each even if an earlier one fails.

    Python prints what they raise, as for a generator that is dropped, since nobody waits for it.
    But SystemExit and KeyboardInterrupt are raised here, since they may come from outside.
    """
    for iterator in iterators:
        if isinstance(iterator, _GENERATOR):
            try:
                iterator.close()
            except Exception as error:
                Dropped(error)


class Dropped:
    """Raises an error in its ``__del__``, so that Python prints the error and goes on."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


_GENERATOR = type(each for each in "")
