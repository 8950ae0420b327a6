"""execute_iterable: whatever user code raises, wherever it does, reaches the parent."""

import pickle
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from farside._payload import pickling, remote_errors
from farside._payload.failure import Failure
from farside._payload.job import Job
from farside._payload.worker_info import tell
from farside._protocol.messages import Status
from farside._worker.execute import execute_iterable
from farside._worker.finalizers import Finalizers
from farside._worker.flusher import Flusher
from farside._worker.listener import Commands
from tests.background import receive
from tests.link.links import make_pipes
from tests.worker.harness import BUDGET, INFO, Executing, executing, make_job, running

if TYPE_CHECKING:
    from farside._link.frames import Frame

RAISED = [
    ValueError("wrong"),
    SystemExit(3),
    KeyboardInterrupt("Ctrl-C"),
    GeneratorExit("close"),
    MemoryError("full"),
    StopAsyncIteration("odd"),
    BaseException("bare"),
]


@pytest.fixture(autouse=True)
def _no_traceback(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no exception above keep a worker, whose memory has a descriptor before 3.13."""
    yield
    error = request.node.funcargs.get("error")
    if error is not None:
        error.__traceback__ = None


def raiser(error: BaseException) -> Callable[[], Any]:
    def raise_it() -> Any:
        raise error

    return raise_it


def check(failure: Failure, error: BaseException, stage: str, index: int | None) -> None:
    """Check that a failure tells of this exception."""
    assert (failure.stage, failure.item_index) == (stage, index)
    assert failure.type_name == type(error).__name__
    assert failure.message == str(error)
    assert failure.exception is not None
    copy = remote_errors.thaw(failure.exception)
    assert copy is not None
    assert (type(copy), copy.args) == (type(error), error.args)


def initialization_failure(job: Job) -> Failure:
    with running(Executing(job)) as worker:
        return worker.expect_failure(Status.INITIALIZATION_FAILED)


# Initialization -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [*RAISED, StopIteration("early")], ids=repr)
def test_an_initializer_raises(error: BaseException) -> None:
    failure = initialization_failure(make_job(list, raiser(error)))
    check(failure, error, "initializer[0]", None)


@pytest.mark.parametrize("error", [*RAISED, StopIteration("early")], ids=repr)
def test_fn_raises(error: BaseException) -> None:
    check(initialization_failure(make_job(raiser(error))), error, "fn", None)


def test_nothing_runs_after_an_initializer_that_raised() -> None:
    calls: list[str] = []

    def note(name: str) -> Callable[[], Any]:
        return lambda: calls.append(name)

    job = make_job(note("fn"), note("one"), raiser(ValueError()), note("three"))
    initialization_failure(job)
    assert calls == ["one"]


@pytest.mark.parametrize("made", [5, None, object()], ids=type)
def test_fn_returns_what_cannot_be_iterated(made: object) -> None:
    failure = initialization_failure(make_job(lambda: made))
    assert (failure.stage, failure.type_name) == ("fn", "TypeError")
    assert failure.message.startswith(f"fn returned {type(made).__name__}, which is not iterable")


async def awaited() -> AsyncIterator[int]:
    yield 1


def test_fn_returns_what_has_to_be_awaited() -> None:
    failure = initialization_failure(make_job(awaited))
    assert failure.message == (
        "fn returned async_generator, which is not iterable, and nobody awaits it in a worker "
        "(iterate in an event loop there); return a list, a generator or any object with __iter__"
    )


def test_callables_that_do_not_load() -> None:
    failure = initialization_failure(Job(b"no pickle", None, None, BUDGET, INFO))
    assert (failure.stage, failure.item_index) == ("load", None)
    assert failure.type_name == "_pickle.UnpicklingError"


def test_callables_whose_module_is_not_there() -> None:
    call = pickle.dumps((list, (), ()), 0).replace(b"list", b"nope")
    failure = initialization_failure(Job(call, None, None, BUDGET, INFO))
    assert (failure.stage, failure.type_name) == ("load", "AttributeError")


# Iteration ------------------------------------------------------------------------------------


class Iterable:
    """Raises in ``iter()``, or in ``next()`` after some items."""

    def __init__(self, error: BaseException, after: int | None) -> None:
        self.error = error
        self.after = after

    def __iter__(self) -> "Iterable":
        if self.after is None:
            raise self.error
        return self

    def __next__(self) -> str:
        if not self.after:
            raise self.error
        self.after -= 1
        return "item"


@pytest.mark.parametrize("error", [*RAISED, StopIteration("early")], ids=repr)
def test_iter_raises(error: BaseException) -> None:
    with executing(lambda: Iterable(error, None)) as worker:
        worker.start(1)
        check(worker.expect_failure(Status.ITERATOR_FAILED, 1), error, "iter", 0)


@pytest.mark.parametrize("error", RAISED, ids=repr)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_next_raises(error: BaseException, after: int) -> None:
    with executing(lambda: Iterable(error, after)) as worker:
        worker.start(1)
        worker.expect_items(1, *["item"] * after)
        check(worker.expect_failure(Status.ITERATOR_FAILED, 1), error, "next", after)


def test_a_generator_that_raises_stop_iteration_fails() -> None:
    def generator() -> Iterator[object]:
        yield 1
        yield next(iter(()))

    with executing(generator) as worker:
        worker.start(1)
        worker.expect_items(1, 1)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert (failure.stage, failure.item_index, failure.type_name) == ("next", 1, "RuntimeError")


def test_iter_returns_no_iterator() -> None:
    class Bad:
        def __iter__(self) -> int:
            return 5

    with executing(Bad) as worker:
        worker.start(1)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert (failure.stage, failure.type_name) == ("iter", "TypeError")


def test_what_strikes_as_items_are_sent_is_told_though_they_may_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine it would send the first item, in its own thread.
    monkeypatch.setattr(Flusher, "call", lambda _: None)
    with executing(lambda: range(10), buffer_size=1) as worker:
        send, strikes = worker.link.send, [TimeoutError("too late")]

        def strike(kind: int, *given: Any, **more: Any) -> bool:
            if kind == Status.ITERATOR_SUCCESS and strikes:
                raise strikes.pop()
            return send(kind, *given, **more)

        worker.link.send = strike  # type: ignore[method-assign]
        worker.start(1)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert failure.message == "too late"


def test_an_item_that_does_not_pickle_is_named_and_nothing_before_it_is_lost() -> None:
    with executing(lambda: ["a", "b", threading.Lock(), "d"]) as worker:
        worker.start(1)
        worker.expect_items(1, "a", "b")
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert (failure.stage, failure.item_index, failure.type_name) == ("pickle", 2, "TypeError")
    assert "lock" in failure.message


class Hostile:
    """Its pickling raises what is no Exception."""

    def __reduce__(self) -> Any:
        raise SystemExit(5)


def test_pickling_an_item_raises_what_is_no_exception() -> None:
    with executing(lambda: [Hostile()]) as worker:
        worker.start(1)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert (failure.stage, failure.item_index, failure.type_name) == ("pickle", 0, "SystemExit")


def test_without_cloudpickle_a_lambda_does_not_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickling, "cloud_pickler", lambda: None)
    with executing(lambda: [lambda: 1]) as worker:
        worker.start(1)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert (failure.stage, failure.item_index) == ("pickle", 0)


def test_a_later_pass_counts_its_items_anew() -> None:
    passes: Iterator[list[object]] = iter([["a"], [threading.Lock()]])

    class EachPass:
        def __iter__(self) -> Iterator[object]:
            return iter(next(passes))

    with executing(EachPass) as worker:
        worker.start(1)
        worker.expect_items(1, "a")
        worker.expect(Status.ITERATION_FINISHED, 1)
        worker.start(2)
        assert worker.expect_failure(Status.ITERATOR_FAILED, 2).item_index == 0


def test_the_traceback_shows_the_users_frames_and_none_of_farside() -> None:
    def one_line_of_the_user() -> Iterator[int]:
        yield 1 // 0

    with executing(one_line_of_the_user) as worker:
        worker.start(1)
        failure = worker.expect_failure(Status.ITERATOR_FAILED, 1)
    assert "one_line_of_the_user" in failure.traceback
    assert "yield 1 // 0" in failure.traceback
    assert "execute.py" not in failure.traceback
    assert failure.traceback.endswith(f"ZeroDivisionError: {failure.message}\n")


def test_system_exit_that_strikes_between_two_pieces_of_user_code_ends_the_worker() -> None:
    class Ending(Commands):
        def get(self) -> NoReturn:
            raise SystemExit  # as the listener raises it

    pair = make_pipes()
    execute_iterable(pair.worker, Ending(pair.worker), make_job(list), Finalizers())
    tell(None)  # this thread belongs to no worker any more
    frames: deque[Frame] = deque()
    receive(pair.parent, frames)
    assert [frame.kind for frame in frames] == [Status.INITIALIZATION_SUCCEEDED]
    pair.cleanup()
