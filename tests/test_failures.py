"""The worker's failures as exceptions of the parent: the farside class and the original type."""

import pickle
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from farside import _failures
from farside._backends.base import ExitStatus
from farside._failures import to_exception
from farside._worker.failure import Failure, describe
from farside.errors import (
    NotPicklableError,
    ProtocolError,
    RemoteTraceback,
    WorkerFailedError,
    WorkerInitializationError,
    WorkerIterationError,
)
from tests.worker.exceptions import CASES, Final, TwoArguments, WithNeedyMeta

WORKER = "subprocess worker (pid 1)"


def arrive(error: BaseException, stage: str = "next", index: int | None = 3) -> Any:
    """Let an exception of the worker arrive in the parent."""
    return to_exception(describe(error, stage, index), WORKER)


@pytest.fixture(params=CASES, ids=lambda case: f"{type(case).__name__}-{len(case.args)}")
def original(request: pytest.FixtureRequest) -> Exception:
    case: Exception = request.param
    return case


def attributes(error: BaseException, of: BaseException) -> dict[str, object]:
    """Return what an exception shows of the attributes of another, as text."""
    names = {name for name in dir(of) if not name.startswith("_")}
    names -= set(dir(WorkerFailedError)) - {"args"}
    return {n: repr(getattr(error, n, None)) for n in names if not callable(getattr(of, n, None))}


# Both -----------------------------------------------------------------------------------------


def test_it_is_the_farside_class_and_the_original_type(original: Exception) -> None:
    error = arrive(original)
    assert isinstance(error, WorkerIterationError)
    assert isinstance(error, type(original))


def test_it_reads_as_the_original(original: Exception) -> None:
    error = arrive(original)
    assert str(error) == str(original)
    assert attributes(error, original) == attributes(original, original)


def test_its_cause_is_the_original_and_the_cause_of_that_the_remote_traceback(
    original: Exception,
) -> None:
    cause = arrive(original).__cause__
    assert type(cause) is type(original)
    assert (str(cause), attributes(cause, original)) == (
        str(original),
        attributes(original, original),
    )
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
    assert '"""\ntests.worker.exceptions.TwoArguments: 7: text' in printed
    assert "The above exception was the direct cause" in printed


def notes(error: BaseException) -> list[str]:
    found: list[str] = getattr(error, "__notes__", [])
    return found


WHERE = f"next() of the iterator failed in the {WORKER}, at the item of index 3"
ADDED = [WHERE] if sys.version_info >= (3, 11) else []


def test_a_note_says_where() -> None:
    assert notes(arrive(ValueError("x"))) == ADDED


def test_notes_of_the_original_are_kept_as_they_are() -> None:
    original: Any = ValueError("x")
    original.__notes__ = ["first"]
    error = arrive(original)
    assert notes(error) == ["first", *ADDED]
    assert notes(error.__cause__) == ["first"]


# Not both -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "original",
    [
        StopIteration("v"),
        StopAsyncIteration("v"),
        SystemExit(3),
        KeyboardInterrupt("v"),
        GeneratorExit("v"),
        BaseException("v"),
        Final("v"),
        WithNeedyMeta("v"),
    ],
    ids=lambda case: type(case).__name__,
)
def test_what_must_not_or_cannot_be_raised_again_is_the_cause_alone(original: Any) -> None:
    error: Any = arrive(original)
    assert type(error) is WorkerIterationError
    name = describe(original, "next", 0).type_name
    assert str(error) == f"{WHERE}: {name}: {original}"
    assert (error.stage, error.item_index, error.original_type) == ("next", 3, name)
    assert type(error.__cause__) is type(original)
    assert error.__cause__.args == original.args
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


class Local:
    """What makes an exception that does not unpickle here."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


class NoException(Exception):
    def __reduce__(self) -> Any:
        return list, ("abc",)


@pytest.mark.parametrize("original", [ValueError(Local()), NoException("x")], ids=repr)
def test_what_does_not_unpickle_arrives_as_text(original: Exception) -> None:
    error = arrive(original, "iter", 0)
    assert type(error) is WorkerIterationError
    assert str(original) in str(error)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert error.remote_traceback in str(error.__cause__)


def test_what_does_not_pickle_arrives_as_text() -> None:
    original = ValueError(iter_of_nothing())
    error = arrive(original, "initializer", None)
    assert type(error) is WorkerInitializationError
    assert str(error) == f"an initializer failed in the {WORKER}: ValueError: {original}"
    assert isinstance(error.__cause__, RemoteTraceback)


def iter_of_nothing() -> Iterator[None]:
    yield


def test_an_item_that_does_not_pickle() -> None:
    error = arrive(ValueError("why"), "pickle", 5)
    assert type(error) is NotPicklableError
    assert isinstance(error, TypeError)
    assert error.item_index == 5
    assert "index 5" in str(error)
    assert "ValueError: why" in str(error)
    assert "cloudpickle" in str(error)
    assert type(error.__cause__) is ValueError


# Other failures -------------------------------------------------------------------------------


def test_a_failure_is_read() -> None:
    told = describe(ValueError("x"), "next", 0)
    assert _failures.read(pickle.dumps(tuple(told))) == told
    assert isinstance(_failures.read(pickle.dumps(tuple(told))), Failure)


@pytest.mark.parametrize("body", [b"", b"garbage", pickle.dumps((1, 2)), pickle.dumps(None)])
def test_a_failure_that_cannot_be_read_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        _failures.read(body)


def test_a_worker_that_died_tells_how() -> None:
    status = ExitStatus("it was killed by SIGKILL (exit code -9)", -9, "SIGKILL")
    error = _failures.died(WORKER, status, 4, "ITERATION")
    assert (error.exit_code, error.signal_name, error.last_index) == (-9, "SIGKILL", 4)
    assert "after the item of index 4" in str(error)
    assert "killed by SIGKILL" in str(error)


def test_a_worker_that_died_at_once_gets_the_usual_cure() -> None:
    error = _failures.died(
        WORKER, ExitStatus("it ended with exit code 1", 1), None, "INITIALIZATION"
    )
    assert "before any item" in str(error)
    assert "__name__ == '__main__'" in str(error)


def test_a_time_out_tells_what_was_awaited() -> None:
    early = _failures.timed_out(WORKER, 2.5, None, "INITIALIZATION")
    late = _failures.timed_out(WORKER, 2.5, 7, "ITERATION")
    assert "initialization did not end within timeout=2.5" in str(early)
    assert "after the item of index 7" in str(late)
    assert (late.seconds, late.last_index, late.state) == (2.5, 7, "ITERATION")


def test_an_iterable_that_is_closed_tells_why() -> None:
    assert "is closed" in str(_failures.closed(None))
    assert "process 12" in str(_failures.closed(12))


def test_a_superseded_pass_names_both() -> None:
    assert str(_failures.superseded(1, 2)).startswith("pass 1 was superseded by pass 2")
