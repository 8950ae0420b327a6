"""What Python keeps in an exception is found, and set, whatever its class says."""

from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

from farside._payload.true_parts import is_a, put, traceback_of


def refuse(*_: object) -> NoReturn:
    raise RuntimeError("not for you")


class Refuses(ValueError):
    __setattr__ = refuse
    __class__: Any = property(refuse)
    __traceback__: Any = property(refuse)
    __cause__: Any = property(refuse)


def test_an_exception_that_refuses() -> None:
    cause, error = KeyError("a"), Refuses()
    with suppress(ValueError):
        raise error
    assert is_a(error, KeyError, ValueError)
    assert not is_a(error, KeyError, MemoryError)
    assert isinstance(traceback_of(error), TracebackType)
    put(error, "__cause__", cause)
    assert vars(BaseException)["__cause__"].__get__(error) is cause
    put(error, "__traceback__", None)
    assert traceback_of(error) is None


class Lies(ValueError):
    __class__: Any = KeyboardInterrupt


def test_an_exception_that_passes_for_another() -> None:
    assert isinstance(Lies(), KeyboardInterrupt)
    assert not is_a(Lies(), KeyboardInterrupt)
