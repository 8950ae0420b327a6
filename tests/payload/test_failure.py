"""Failures: an exception crosses whole where it pickles, as text where not, and never raises."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from farside._payload import failure
from farside._payload.failure import describe


def raised(function: Callable[[], object]) -> BaseException:
    """Return what a call raises, with its traceback."""
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError


# Texts ----------------------------------------------------------------------------------------


def test_all_that_is_known_is_told() -> None:
    told = describe(raised(lambda: int("x")), "next", 3)
    assert told.stage == "next"
    assert told.item_index == 3
    assert told.type_name == "ValueError"
    assert told.message == "invalid literal for int() with base 10: 'x'"
    assert told.traceback.startswith("Traceback (most recent call last):\n")
    assert told.traceback.endswith(f"ValueError: {told.message}\n")
    assert told.exception is not None
    assert told.refused_module is None


def test_a_type_of_a_module_is_named_with_it() -> None:
    class Own(Exception):
        pass

    name = describe(Own(), "fn", None).type_name
    assert name == f"{__name__}.test_a_type_of_a_module_is_named_with_it.<locals>.Own"


def test_a_type_without_a_module_is_named() -> None:
    error = type("Odd", (Exception,), {"__module__": None})("text")
    told = describe(error, "fn", None)
    assert told.type_name.endswith("Odd")
    assert told.message == "text"


class Hostile(Exception):
    """Raises wherever it is looked at."""

    def __str__(self) -> str:
        raise SystemExit

    def __repr__(self) -> str:
        raise KeyboardInterrupt

    def __reduce__(self) -> Any:
        raise GeneratorExit


def test_a_hostile_str_is_no_harm() -> None:
    told = describe(raised(raise_it(Hostile("x"))), "next", 0)
    assert told.message == "<str() of the exception failed>"
    assert "Hostile" in told.traceback


def raise_it(error: BaseException) -> Callable[[], object]:
    def call() -> object:
        raise error

    return call


@pytest.mark.parametrize("returned", [5, None, b"bytes", type("Text", (str,), {})("sub")], ids=repr)
def test_str_returns_no_string(returned: object) -> None:
    error = type("Odd", (Exception,), {"__str__": lambda _self: returned})()
    assert describe(error, "next", 0).message == "<str() of the exception failed>"


def test_lone_surrogates_become_escapes() -> None:
    told = describe(raised(raise_it(ValueError("a\udcffb"))), "next", 0)
    assert told.message == "a\\udcffb"
    told.traceback.encode()


def test_a_huge_message_is_cut_in_the_middle() -> None:
    text = "b" * 80_000 + "m" * 100_000 + "e" * 80_000
    told = describe(raised(raise_it(ValueError(text))), "next", 0)
    for cut in (told.message, told.traceback):
        assert len(cut) < failure._TEXT_LIMIT + 100
        assert "characters left out" in cut
    assert told.message.startswith("bbb")
    assert told.message.endswith("eee")
    assert "160000 characters" in told.message


def test_the_traceback_shows_causes() -> None:
    def fail() -> None:
        try:
            int("x")
        except ValueError as error:
            raise KeyError("outer") from error

    told = describe(raised(fail), "next", 0)
    assert "direct cause" in told.traceback
    assert "invalid literal" in told.traceback


def test_without_a_traceback_there_is_the_text() -> None:
    assert describe(ValueError("never raised"), "next", 0).traceback == "ValueError: never raised\n"


class HostileMeta(type):
    """Raises when a class is asked for its module."""

    @property
    def __module__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


def test_a_hostile_metaclass_is_no_harm() -> None:
    error = HostileMeta("Odd", (Exception,), {})("text")
    told = describe(error, "next", 0)
    assert told.message == "text"


@pytest.mark.parametrize("name", ["__class__", "__cause__", "__context__", "__traceback__", "args"])
def test_hostile_attributes_are_no_harm(name: str) -> None:
    def hostile(_self: object) -> None:
        raise RuntimeError

    error = type("Odd", (Exception,), {name: property(hostile)})("text")
    assert describe(error, "next", 0).stage == "next"


# Modules that refuse --------------------------------------------------------------------------

REFUSAL = "module numpy._core._multiarray_umath does not support loading in subinterpreters"


def chained(*errors: BaseException) -> BaseException:
    """Make each the context of the one before."""
    for before, after in pairwise(errors):
        before.__context__ = after
    return errors[0]


@pytest.mark.parametrize(
    ("error", "module"),
    [
        (ImportError(REFUSAL), "numpy._core._multiarray_umath"),
        (ImportError(REFUSAL.replace("numpy._core._multiarray_umath", "'a_b.c'")), "a_b.c"),
        (
            ModuleNotFoundError(f"Import failed.\n\n{REFUSAL}\nSee …"),
            "numpy._core._multiarray_umath",
        ),
        (chained(RuntimeError(), ImportError("x"), ImportError(REFUSAL)), REFUSAL.split()[1]),
        (ImportError("no module named numpy"), None),
        (RuntimeError(REFUSAL), None),
    ],
)
def test_a_module_that_refuses_is_recognised(error: BaseException, module: str | None) -> None:
    assert describe(error, "fn", None).refused_module == module


def test_a_cause_that_refuses_is_recognised() -> None:
    def fail() -> None:
        raise ValueError("wrapped") from ImportError(REFUSAL)

    assert describe(raised(fail), "fn", None).refused_module == REFUSAL.split()[1]


def test_a_cycle_of_causes_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__ = second
    second.__context__ = first
    assert describe(first, "fn", None).refused_module is None


def test_a_hostile_import_error_is_no_harm() -> None:
    error = type("Odd", (ImportError,), {"__str__": raise_it(SystemExit())})("text")
    assert describe(error, "fn", None).refused_module is None


def test_a_refusal_is_told_by_the_whole_name(monkeypatch: pytest.MonkeyPatch) -> None:
    other, told = "a.b", "_c.d (imported by c)"
    monkeypatch.setattr(failure, "refused", {"a.b": other, "_c.d": told})
    refusal = ImportError(REFUSAL.replace("numpy._core._multiarray_umath", "d"))
    assert describe(refusal, "fn", None)[-3:] == ("_c.d", (told,), None)
    assert describe(ValueError(), "fn", None)[-3:] == (None, (other, told), None)
