"""A failure of the user's code is raised as the farside class and the original type in one."""

import pickle
import sys
import traceback
from typing import Any

import pytest

from farside._payload.failure import Failure, describe
from farside._payload.remote_errors import read_failure
from farside.errors import (
    ProtocolError,
    RemoteTraceback,
    WorkerFailedError,
    WorkerInitializationError,
    WorkerIterationError,
)
from tests.payload.exceptions import CASES, WORKER, TwoArguments, arrive


@pytest.fixture(params=CASES, ids=lambda case: f"{type(case).__name__}-{len(case.args)}")
def original(request: pytest.FixtureRequest) -> Exception:
    case: Exception = request.param
    return case


def attributes(error: BaseException, of: BaseException) -> dict[str, object]:
    """Return what an exception shows of the attributes of another, as text."""
    names = {name for name in dir(of) if not name.startswith("_")}
    names -= set(dir(WorkerFailedError)) - {"args"}
    return {n: repr(getattr(error, n, None)) for n in names if not callable(getattr(of, n, None))}


def test_it_is_the_farside_class_and_the_original_type(original: Exception) -> None:
    error = arrive(original)
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, type(original))


def test_it_reads_as_the_original(original: Exception) -> None:
    error = arrive(original)
    assert str(error) == str(original)
    assert attributes(error, original) == attributes(original, original)


def test_its_cause_is_the_original_and_then_comes_the_remote_traceback(original: Exception) -> None:
    cause = arrive(original).__cause__
    assert type(cause) is type(original)
    assert str(cause) == str(original)
    assert attributes(cause, original) == attributes(original, original)
    assert isinstance(cause.__cause__, RemoteTraceback)


def test_it_pickles(original: Exception) -> None:
    error = arrive(original)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert attributes(copy, original) == attributes(error, original)
    assert (copy.stage, copy.item_index) == (error.stage, error.item_index)


def test_before_the_first_pass_it_is_an_initialization_error(original: Exception) -> None:
    error = arrive(original, "fn", None)
    assert isinstance(error, WorkerInitializationError)
    assert isinstance(error, type(original))


def test_it_tells_where_it_comes_from() -> None:
    error = arrive(ValueError("x"))
    assert (error.stage, error.item_index) == ("next", 3)
    assert error.original_type == "ValueError"
    assert error.remote_traceback == "ValueError: x\n"


def test_its_class_is_named_after_both() -> None:
    assert type(arrive(KeyError("x"))).__name__ == "WorkerIterationError[KeyError]"
    assert type(arrive(KeyError("x"))) is type(arrive(KeyError("y")))


def test_a_failure_of_a_worker_in_a_worker_is_still_the_original_type() -> None:
    error = arrive(arrive(KeyError("deep")))
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, KeyError)
    assert pickle.loads(pickle.dumps(error)).args == ("deep",)


def test_it_can_be_raised_and_printed() -> None:
    error = arrive(TwoArguments(7, "text"))
    with pytest.raises(TwoArguments, match="7: text") as caught:
        raise error
    printed = "".join(traceback.format_exception(type(error), caught.value, None))
    assert '"""\ntests.payload.exceptions.TwoArguments: 7: text' in printed
    assert "The above exception was the direct cause" in printed


WHERE = f"next() of the iterator failed in the {WORKER}, at the item of index 3"
ADDED = [WHERE] if sys.version_info >= (3, 11) else []


def test_a_note_says_where() -> None:
    assert getattr(arrive(ValueError("x")), "__notes__", []) == ADDED


@pytest.mark.parametrize("unit", ["input", "task"])
def test_an_input_that_does_not_load_is_no_failure_of_the_function(unit: str) -> None:
    error = arrive(ValueError("x"), "input", 3, unit)
    assert error.stage == "input"
    told = f"loading the {unit} failed in the {WORKER}, at the {unit} of index 3"
    assert told in (*getattr(error, "__notes__", ()), *str(error.__cause__.__cause__).splitlines())


def test_notes_of_the_original_are_kept_as_they_are() -> None:
    original: Any = ValueError("x")
    original.__notes__ = ["first"]
    error = arrive(original)
    assert error.__notes__ == ["first", *ADDED]
    assert error.__cause__.__notes__ == ["first"]


def test_a_failure_is_read() -> None:
    told = describe(ValueError("x"), "next", 0)
    assert read_failure(pickle.dumps(tuple(told))) == told
    assert isinstance(read_failure(pickle.dumps(tuple(told))), Failure)
    assert read_failure(tuple(told)) == told


FIELDS: list[Any] = [
    *[(1, 2), None, range(7), ("next", 1, *"abc", 1, "")],
    ("next", 1, *"abc", None, None, (1,)),  # the names of modules are joined to a text
]
BODIES = [b"", b"garbage", *map(pickle.dumps, FIELDS)]


@pytest.mark.parametrize("told", [*BODIES, *FIELDS])
def test_a_failure_that_cannot_be_read_is_a_protocol_error(told: Any) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        read_failure(told)
