"""Failures: what of an exception crosses whole, and comes back as it was."""

import copyreg
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import farside
from farside._payload import remote_errors
from farside._payload.failure import Failure, describe, freeze, state_of
from tests.payload.exceptions import KeywordOnly, OwnOSError, OwnReduce, Slotted, TwoArguments


def raised(function: Callable[[], object]) -> BaseException:
    """Return what a call raises, with its traceback."""
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError


def thaw(error: BaseException) -> Any:
    """Return the copy that the parent gets."""
    copy = remote_errors.thaw(describe(error, "next", 0).exception)
    assert type(copy) is type(error)
    return copy


@pytest.mark.parametrize("kind", [TwoArguments(7, "x"), KeywordOnly(code=7), Slotted(7)], ids=repr)
def test_other_constructors(kind: Any) -> None:
    copy = thaw(kind)
    assert (copy.args, str(copy), copy.code) == (kind.args, str(kind), 7)


def test_an_exception_that_pickles_itself_does() -> None:
    copy = thaw(OwnReduce("original"))
    assert (copy.args, copy.code) == (("restored",), 7)


@pytest.mark.parametrize("registry", ["farside", "copyreg"])
def test_an_exception_crosses_as_others_have_registered(
    registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reduce(error: TwoArguments) -> Any:
        return TwoArguments, (error.code + 1, "reduced")

    if registry == "farside":
        farside.register_reducer(TwoArguments, reduce)
    else:
        monkeypatch.setitem(copyreg.dispatch_table, TwoArguments, reduce)
    assert str(thaw(TwoArguments(7, "x"))) == "8: reduced"
    assert str(thaw(ValueError(TwoArguments(7, "x"))).args[0]) == "8: reduced"


def test_attributes_of_c_code_cross() -> None:
    error = raised(lambda: os.stat("/nonexistent/farside"))
    copy = thaw(error)
    assert isinstance(copy, FileNotFoundError)
    assert (copy.errno, copy.filename, str(copy)) == (2, "/nonexistent/farside", str(error))


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (OwnOSError(5, "text", "one", None, "two"), ["errno", "strerror", "filename", "filename2"]),
        (raised(b"\xff".decode), ["encoding", "object", "start", "end", "reason"]),
        (ImportError("text", name="n", path="p"), ["msg", "name", "path"]),
        (raised(lambda: compile("a b", "f", "exec")), ["msg", "filename", "lineno", "text"]),
        (SystemExit(3), ["code"]),
        (StopIteration("v"), ["value"]),
        (BlockingIOError(11, "text", 5), ["errno", "strerror", "characters_written"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_attribute_crosses(error: BaseException, names: list[str]) -> None:
    copy = thaw(error)
    assert [getattr(copy, name) for name in names] == [getattr(error, name) for name in names]
    assert str(copy) == str(error)


def test_notes_and_other_attributes_cross() -> None:
    error: Any = ValueError("x")
    error.__notes__ = ["a note"]
    error.more = {"deep": [1]}
    copy = thaw(error)
    assert (copy.__notes__, copy.more) == (["a note"], {"deep": [1]})


def test_exceptions_that_it_holds_cross_as_it_does() -> None:
    error: Any = ValueError("x", [TwoArguments(7, "listed")])
    error.more = (KeywordOnly(code=8), OwnReduce("original"))
    error.again = error.args[1]
    copy = thaw(error)
    assert (str(copy.args[1][0]), copy.args[1][0].code) == ("7: listed", 7)
    assert [each.code for each in copy.more] == [8, 7]


def test_exceptions_that_it_holds_by_names_cross_too() -> None:
    error: Any = ValueError("x")
    error.by_host = {"host": TwoArguments(7, "named")}
    assert thaw(error).by_host["host"].code == 7


def test_an_exception_that_holds_itself_crosses_as_python_pickles_it() -> None:
    error: Any = ValueError("x")
    error.itself = error
    copy = thaw(error)
    assert copy.itself.args == ("x",)


def test_what_does_not_pickle_does_not_cross() -> None:
    error: Any = ValueError("x")
    error.lock = threading.Lock()
    told = describe(error, "next", 0)
    assert told.exception is None
    assert told.message == "x"


def test_arguments_that_do_not_pickle_do_not_cross() -> None:
    assert freeze(ValueError(threading.Lock())) is None


def test_state_is_all_there_is() -> None:
    error = Slotted(1)
    error.more = 2  # type: ignore[attr-defined]
    assert state_of(error) == {"code": 1, "more": 2}
    assert state_of(ValueError("x")) == {}


def test_a_failure_is_plain_data() -> None:
    told = describe(ValueError("x"), "next", 0)
    assert Failure._make(tuple(told)) == told
    assert {type(each) for each in told} <= {str, int, bytes, tuple, type(None)}


class OwnReduceRaises(Exception):
    """Refuses to be pickled."""

    def __reduce__(self) -> Any:
        raise GeneratorExit


def test_a_hostile_reduce_does_not_keep_the_state_from_crossing() -> None:
    assert thaw(OwnReduceRaises("x")).args == ("x",)


def test_the_exception_keeps_its_lone_surrogates() -> None:
    copy = thaw(ValueError("a\udcffb"))
    assert copy.args == ("a\udcffb",)


def test_the_exception_itself_is_not_cut() -> None:
    copy = thaw(ValueError("x" * 300_000))
    assert len(copy.args[0]) == 300_000
