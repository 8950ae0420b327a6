"""The worker's failures as exceptions of the parent. `test_failures_dual` has the dual ones."""

import bdb
import pickle
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farside._backends.base import ExitStatus, Worker
from farside._backends.live_workers import IMPORTING
from farside._parent import messages_for_people
from farside._parent.remote_failures import for_later, to_exception, to_keep
from farside._parent.unguarded import EXIT_CODE, MESSAGE
from farside._payload import decoder
from farside._payload.failure import describe
from farside._payload.pickling import dumps
from farside._payload.remote_errors import read_stack
from farside._protocol.effects import DIED, FAILED, TIMED_OUT, Ending
from farside._protocol.messages import UNKNOWN
from farside._protocol.recovery import MOST_WITHOUT_INPUT
from farside._worker import execute
from farside.errors import (
    BackendUnavailableError,
    CallFailedError,
    FarsideError,
    NotPicklableError,
    ProtocolError,
    RemoteTraceback,
    ReplayDivergedError,
    WorkerInitializationError,
    WorkerIterationError,
    WorkerTimeoutError,
)
from tests.payload.exceptions import WORKER, Final, HostileAttribute, WithNeedyMeta, arrive

WHERE = f"next() of the iterator failed in the {WORKER}, at the item of index 3"


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
    error = arrive(original)
    cause: Any = error.__cause__
    name = describe(original, "next", 0).type_name
    assert type(error) is WorkerIterationError
    assert str(error) == f"{WHERE}: {name}: {original}"
    assert (error.stage, error.item_index, error.original_type) == ("next", 3, name)
    assert type(cause) is type(original)
    assert cause.args == original.args
    assert isinstance(cause.__cause__, RemoteTraceback)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


class Local:
    """What makes an exception that does not unpickle here."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


class NoException(Exception):
    def __reduce__(self) -> Any:
        return list, ("abc",)


@pytest.mark.parametrize("original", [ValueError(Local()), NoException("x")], ids=type)
def test_what_does_not_unpickle_arrives_as_text(original: Exception) -> None:
    error = arrive(original, "iter", 0)
    assert type(error) is WorkerIterationError
    assert str(original) in str(error)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert error.remote_traceback in str(error.__cause__)
    assert f"so 'except {type(original).__name__}' does not catch it" in printed(error)


def test_an_attribute_that_raises_is_no_harm() -> None:
    error = arrive(HostileAttribute(2, "text", "path"))
    assert isinstance(error, WorkerIterationError)
    assert "text" in str(error)


class NoHeir(ValueError):
    """No class can be derived from it, by the means of a class that would end the program."""

    def __init_subclass__(cls) -> None:
        raise SystemExit(3)


class KeepsArguments(ValueError):
    def __getattribute__(self, name: str) -> Any:
        if name == "args":
            raise SystemExit(3)
        return super().__getattribute__(name)


def with_odd_notes() -> ValueError:
    error: Any = ValueError("noted")
    error.__notes__ = 5
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "original", [NoHeir("x"), KeepsArguments("x"), with_odd_notes()], ids=["heir", "args", "notes"]
)
def test_a_class_that_does_not_behave_arrives_as_text(original: Exception) -> None:
    error = arrive(original)
    assert type(error) is WorkerIterationError
    assert error.original_type == describe(original, "next", 0).type_name
    assert isinstance(error.__cause__, RemoteTraceback)


class Interrupted(Exception):
    def __reduce__(self) -> Any:
        return interrupt, ()


def interrupt() -> None:
    raise KeyboardInterrupt  # as Ctrl-C does, while a module is imported for it


def test_ctrl_c_while_an_exception_is_unpickled_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        arrive(Interrupted())


def test_what_does_not_pickle_arrives_as_text() -> None:
    original = ValueError(iter_of_nothing())
    error = arrive(original, "initializer", None)
    assert type(error) is WorkerInitializationError
    assert str(error).startswith(f"initializer failed in the {WORKER}: ValueError: {original}")
    assert isinstance(error.__cause__, RemoteTraceback)
    assert "so 'except ValueError' does not catch it" in printed(error)


def iter_of_nothing() -> Iterator[None]:
    yield


def test_an_item_that_does_not_pickle() -> None:
    error = arrive(ValueError("why"), "pickle", 5)
    assert type(error) is NotPicklableError
    assert isinstance(error, TypeError)
    assert error.item_index == 5
    assert "index 5" in str(error)
    assert "ValueError: why" in str(error)
    assert type(error.__cause__) is ValueError


def test_cloudpickle_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cloudpickle" not in str(arrive(ValueError("why"), "pickle", 5))
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert "or install cloudpickle" in str(arrive(ValueError("why"), "pickle", 5))
    lock = TypeError("cannot pickle '_thread.lock' object")  # cloudpickle cannot either
    assert "cloudpickle" not in str(arrive(lock, "pickle", 5))


def printed(error: BaseException) -> str:
    """Return what Python prints of an exception, its causes included."""
    return "".join(traceback.format_exception(type(error), error, None))


def test_what_is_raised_between_two_inputs_names_none() -> None:
    error = arrive(TimeoutError(), "function", UNKNOWN)
    assert f"function failed in the {WORKER}\n" in f"{printed(error)}\n"


def test_what_does_not_load_gets_the_cure() -> None:
    error = arrive(AttributeError("no such name"), "load", None)
    assert "above if __name__ ==" in printed(error)


@pytest.mark.parametrize("stage", ["input", "arguments"])
def test_what_the_worker_does_not_find_as_it_loads_gets_the_cure(stage: str) -> None:
    failure = describe(AttributeError("module '__mp_main__' has no attribute 'clean'"), stage, 3)
    loading = f'  File "{decoder.__file__}", line 29, in decode\n    return pickle.loads(entry)\n'
    cure = "above if __name__ == '__main__':"
    assert cure in printed(to_exception(failure._replace(traceback=loading), WORKER))
    within = loading + '  File "/home/me/rows.py", line 3, in __setstate__\n'
    assert cure not in printed(to_exception(failure._replace(traceback=within), WORKER))


def test_an_exception_of_both_kinds_tells_where_it_was_raised() -> None:
    error = arrive(ValueError("text"))
    messages_for_people.locate(error, 7, 2, None)
    assert f"{WHERE}\nin shard 7, at its item of index 2\n" in printed(error)
    assert str(error) == "text"


def test_where_an_exception_was_raised_is_told_in_the_words_of_the_function() -> None:
    error = arrive(ValueError("text"))
    messages_for_people.locate(error, 7, 2, None, noun="part")
    assert f"{WHERE}\nin part 7, at its item of index 2\n" in printed(error)


def test_where_an_exception_was_raised_is_told_by_the_shard_itself() -> None:
    error = arrive(ValueError("text"))
    messages_for_people.locate(error, 7, 2, None, name="'a.txt'")
    assert f"{WHERE}\nin shard 7 ('a.txt'), at its item of index 2\n" in printed(error)


@pytest.mark.parametrize("kind", [ReplayDivergedError, type("Own", (ReplayDivergedError,), {})])
def test_where_user_code_has_raised_an_error_of_farside_is_told(kind: type[Exception]) -> None:
    error = arrive(kind("text"))
    vars(error)["item_index"] = UNKNOWN  # so it comes from a worker that reads shards
    messages_for_people.locate(error, 7, 2, None)
    assert (vars(error)["shard"], vars(error)["item_index"]) == (7, 2)
    assert "in shard 7, at its item of index 2\n" in printed(error)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (
            (7, 2, None, (3, 7)),
            "in shard 7, at its item of index 2, or soon after, in one of the shards 3, 7",
        ),
        ((7, 2, None, (7,)), "in shard 7, at its item of index 2, or soon after"),
        ((7, 0, "batch", (3, 7)), "in batch 7, or soon after"),
    ],
)
def test_where_a_worker_died_is_known_but_for_its_last_items(given: Any, where: str) -> None:
    error = messages_for_people.died(WORKER, ExitStatus("it was killed"), 4, "iteration")
    messages_for_people.locate(error, *given)
    assert f"{where}\n" in printed(error)


# Other failures -------------------------------------------------------------------------------


def test_a_worker_that_died_tells_how() -> None:
    status = ExitStatus("it was killed by SIGKILL (exit code -9)", -9, "SIGKILL")
    error = messages_for_people.died(WORKER, status, 4, "iteration")
    assert (error.exit_code, error.signal_name, error.last_index) == (-9, "SIGKILL", 4)
    assert "after the item of index 4" in str(error)
    assert "killed by SIGKILL" in str(error)


def test_an_index_that_is_not_known_is_none() -> None:
    """The worker of a map may have done its inputs in any order."""
    died = messages_for_people.died(WORKER, ExitStatus(""), UNKNOWN, "iteration")
    late = timed_out(UNKNOWN, "iteration")
    assert died.last_index is late.last_index is None
    assert "item" not in str(died)


def test_a_worker_that_died_at_once_has_a_traceback() -> None:
    error = messages_for_people.died(
        WORKER, ExitStatus("it ended with exit code 1", 1), None, "initialization"
    )
    assert "before any item" in str(error)
    assert "see its traceback above" in str(error)
    assert str(error).endswith(". Each worker imports the main script first")
    later = messages_for_people.died(WORKER, ExitStatus("it ended", 1), None, "iteration")
    assert str(later).endswith("has called os._exit()")
    other = messages_for_people.died(WORKER, ExitStatus("", 3), None, "initialization")
    assert "the main script, which each worker imports first, has called sys.exit" in str(other)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (ExitStatus("it was killed", -11, "SIGSEGV"), "initializer=faulthandler.enable it prints"),
        (ExitStatus("it was killed", -9, "SIGKILL"), "when memory runs out"),
        (ExitStatus("it ended with exit code 3", 3), "has called os._exit()"),
        (ExitStatus("it ended with exit code 1", 1), "see its traceback above, unless"),
        (
            ExitStatus("it ended with exit code 0", 0),
            "has called os._exit(), or memory has run out",
        ),
        (ExitStatus("it was killed", -15, "SIGTERM"), "it was killed"),
        (ExitStatus("nobody knows how it ended"), "nobody knows how it ended"),
    ],
    ids=lambda value: str(getattr(value, "code", "")),
)
def test_a_worker_that_died_tells_what_that_means(status: ExitStatus, meaning: str) -> None:
    assert meaning in str(messages_for_people.died(WORKER, status, 4, "iteration"))


@pytest.mark.parametrize(
    "status",
    [
        ExitStatus("its interpreter ended without a word"),  # there is no exit code
        ExitStatus("it was killed by SIGTERM (exit code -15)", -15, "SIGTERM"),
        ExitStatus("it was killed, and the group had run out of memory", -9, "SIGKILL"),
    ],
    ids=lambda status: str(status.code),
)
def test_nothing_is_added_to_what_says_all(status: ExitStatus) -> None:
    for state in ("initialization", "iteration"):
        assert str(messages_for_people.died(WORKER, status, 4, state)).endswith(status.text)


def timed_out(
    last_index: int | None,
    state: str,
    detail: Any = None,
    method: str | None = None,
    *,
    init_timeout: float = 2.5,
    limit: str = "timeout",
) -> WorkerTimeoutError:
    """Make the error for a worker that took more than 2.5 seconds."""
    ending = Ending(TIMED_OUT, state, last_index, detail, method, limit=limit)
    options = SimpleNamespace(timeout=2.5, init_timeout=init_timeout, task_timeout=1.5)
    member: Any = SimpleNamespace(name=WORKER, options=options, no_stack=Worker.no_stack)
    error = messages_for_people.error_of(ending, member)
    assert isinstance(error, WorkerTimeoutError)
    return error


def test_a_time_out_tells_what_was_awaited() -> None:
    early = timed_out(None, "initialization", limit="init_timeout")
    late = timed_out(7, "iteration")
    assert "initialization did not end within init_timeout=2.5" in str(early)
    assert early.worker_stack is None
    assert "it does not tell where it was" in str(early)
    assert "after the item of index 7" in str(late)
    assert "within timeout=2.5" in str(late)
    assert (late.seconds, late.last_index, late.state) == (2.5, 7, "iteration")
    task = timed_out(7, "iteration", limit="task_timeout")
    assert "no result came within task_timeout=1.5" in str(task)
    assert task.seconds == 1.5


def test_a_time_out_of_the_start_tells_where_its_limit_comes_from() -> None:
    said = str(timed_out(None, "initialization", limit="init_timeout"))
    assert "within init_timeout=2.5 seconds (the value of timeout, unless it is given); " in said
    said = str(timed_out(None, "initialization", init_timeout=9.0, limit="init_timeout"))
    assert "value of timeout" not in said


def test_a_time_out_shows_the_stack() -> None:
    body = b"".join(dumps([("the thread that runs the iterable", [("sleeper.py", 3, "sleep")])]))
    stack = read_stack(body)
    error = timed_out(None, "call", SimpleNamespace(body=body), "sleep")
    assert "the call of 'sleep' did not return within timeout=2.5 seconds" in str(error)
    assert error.worker_stack == stack
    assert str(error).endswith(f"it was here:\n\n{stack.rstrip()}")


def test_no_colon_stands_where_no_stack_follows() -> None:
    body = b"".join(dumps([("this Python cannot tell where the threads are", [])]))
    assert read_stack(body) == "this Python cannot tell where the threads are\n"


def test_what_follows_a_stack_begins_a_line_of_its_own() -> None:
    body = b"".join(dumps([("the thread that runs the iterable", [("sleeper.py", 3, "sleep")])]))
    detail = SimpleNamespace(body=body)
    ending = Ending(TIMED_OUT, "iteration", None, detail, without_input=100, limit="timeout")
    options = SimpleNamespace(timeout=2.5, init_timeout=2.5, task_timeout=None)
    member: Any = SimpleNamespace(name=WORKER, options=options)
    error = messages_for_people.error_of(ending, member)
    assert str(error).endswith(f"{read_stack(body).rstrip()}\n{messages_for_people.WITHOUT_INPUT}")


def test_a_stack_that_is_no_pickle_is_an_error_of_the_protocol() -> None:
    options = SimpleNamespace(timeout=2.5)
    ending = Ending(
        TIMED_OUT, "iteration", None, SimpleNamespace(body=b"no pickle"), limit="timeout"
    )
    member: Any = SimpleNamespace(name=WORKER, options=options)
    assert isinstance(messages_for_people.error_of(ending, member), ProtocolError)


@pytest.mark.parametrize(("more", "told"), [(0, False), (1, True)])
def test_a_worker_that_is_not_started_again_any_more_tells_of_that(
    more: int, *, told: bool
) -> None:
    times = MOST_WITHOUT_INPUT + more
    status = ExitStatus("it was killed by SIGKILL", -9, "SIGKILL")
    member: Any = SimpleNamespace(name=WORKER, options=SimpleNamespace(max_restarts=0))
    ending = Ending(DIED, "initialization", None, status, without_input=times)
    error = messages_for_people.error_of(ending, member)
    assert (messages_for_people.WITHOUT_INPUT in str(error)) is told


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["_odd"], "the extension module _odd does not support loading"),
        (["_odd", "_even"], "the extension modules _odd, _even do not support loading"),
    ],
)
def test_each_module_that_refuses_to_load_is_named(names: list[str], told: str) -> None:
    error: Any = FarsideError("name 'x' is not defined")
    error.refused, error.refused_module = tuple(names), None
    text = messages_for_people.refusal(error)
    assert text.startswith("the subinterpreter failed (FarsideError: name 'x' is not defined), and")
    assert f"{told} in subinterpreters" in text
    error.refused_module = names[0]
    assert messages_for_people.refusal(error) == f"{told} in subinterpreters"


def test_where_an_exception_was_raised_is_told_once() -> None:
    error = FarsideError("on purpose")
    messages_for_people.locate(error, 3, 7, None)
    messages_for_people.locate(error, 4, 8, None)
    assert vars(error)["shard"] == 3


def test_an_iterable_that_is_closed_tells_why() -> None:
    assert "is closed" in str(messages_for_people.closed(None))
    assert "process 12" in str(messages_for_people.closed(12))


def test_a_superseded_pass_names_both() -> None:
    said = str(messages_for_people.superseded(1, 2))
    assert said.startswith("pass 1 was superseded by pass 2")


def test_a_superseded_pass_names_a_recipe_that_exists() -> None:
    said = str(messages_for_people.superseded(1, 2))
    [heading] = re.findall(r"see '(.+)' in the documentation$", said)
    page = Path(__file__).parents[2] / "docs/guides/servers.md"
    assert f"\n## {heading}\n" in page.read_text("utf-8")


def test_only_a_refusal_that_is_the_failure_and_ends_the_worker_is_told_as_one() -> None:
    refusal = ImportError("module _odd does not support loading in subinterpreters")
    certain = describe(refusal, "next", 0)
    swallowed = certain._replace(refused_module=None)

    def told(failure: Any, backend: str, fallback: str | None) -> bool:
        options = SimpleNamespace(fallback=fallback)
        member: Any = SimpleNamespace(name=WORKER, backend=backend, options=options)
        error = messages_for_people.error_of(Ending(FAILED, detail=failure), member)
        assert isinstance(error, (BackendUnavailableError, ImportError))
        return isinstance(error, BackendUnavailableError)

    assert told(certain, "subinterpreter", None)
    assert not told(certain, "subinterpreter", "subprocess")
    assert not told(certain, "subprocess", None)
    assert not told(swallowed, "subinterpreter", None)


def test_a_module_that_refuses_to_load_gets_the_cure() -> None:
    error = arrive(ImportError("module numpy does not support loading in subinterpreters"))
    cure = (
        "numpy cannot be loaded in a subinterpreter. Use iterate_in_subprocess or "
        "backend='subprocess'. Or import it earlier, at the top of the module of fn or in an "
        "initializer: a subprocess then takes over by itself"
    )
    assert f"{WHERE}\n{cure}\n" in printed(error)


@pytest.mark.parametrize(
    ("stage", "message", "cure"),
    [
        (
            "fn",
            "read() missing 1 required p",
            "without arguments; if it needs some, pass functools.p",
        ),
        ("setup", "Model.__init__() missing 1 required p", "pass functools.partial(setup, ...)"),
        (
            "initializer[0]",
            "note() missing 2 required p",
            "pass functools.partial(initializer, ...)",
        ),
        ("function", "add() missing 1 required p", "an input that is a tuple is one argument"),
        ("shard", "read() got multiple values for argument 'x'", "fn is called as fn(shard), and"),
        (
            "shard",
            "read() takes 1 positional argument but 2 were given",
            "with setup as fn(made, shard)",
        ),
    ],
)
def test_a_function_that_takes_other_arguments_gets_the_cure(
    stage: str, message: str, cure: str
) -> None:
    failure = describe(TypeError(message), stage, None)
    called = f'  File "{execute.__file__}", line 112, in initialize\n    made = fn()\n'
    assert cure in printed(to_exception(failure._replace(traceback=called), WORKER))
    within = called + '  File "/home/me/data_worker.py", line 3, in read\n'
    assert cure not in printed(to_exception(failure._replace(traceback=within), WORKER))


def test_a_debugger_and_input_get_the_cure() -> None:
    reading = describe(EOFError("EOF when reading a line"), "next", 3)
    frames = f'  File "{bdb.__file__}", line 94, in wrapper\nSystemExit: 1\n'
    debugging = describe(SystemExit(1), "next", 3)._replace(traceback=frames)
    for told in (reading, debugging):
        assert "by backend='inline' or num_workers=0" in printed(to_exception(told, WORKER))
        inline = to_exception(told, "inline worker (in the calling thread)")
        assert "by backend='inline'" not in printed(inline)


class Refused(ImportError):
    def __init_subclass__(cls) -> None:
        raise TypeError("no class of both kinds")


def test_the_cure_is_there_without_the_original_exception() -> None:
    error = arrive(Refused("module numpy does not support loading in subinterpreters"))
    assert not isinstance(error, ImportError)
    assert "Or import it earlier" in printed(error)


def test_a_main_script_that_starts_workers_is_told_shortly() -> None:
    died = messages_for_people.died(WORKER, ExitStatus("", EXIT_CODE), None, "initialization")
    refused = arrive(BackendUnavailableError(f"no worker: {IMPORTING}"), "load", None)
    for error in (died, refused):
        assert str(error) == f"the {WORKER} could not start: {MESSAGE}"
        assert error.__cause__ is None
    assert (refused.stage, refused.original_type) == (
        "load",
        f"farside.errors.{BackendUnavailableError.__name__}",
    )
    assert IMPORTING in refused.remote_traceback
    later = messages_for_people.died(WORKER, ExitStatus("it ended", EXIT_CODE), 3, "iteration")
    assert "it ended" in str(later)


@pytest.mark.parametrize(
    ("stage", "culprit"),
    [
        ("output", "item: coroutine"),
        ("output", "item: async_generator"),
        ("task", "item[0]: coroutine"),
    ],
)
def test_a_coroutine_is_told_that_nobody_awaits_it(stage: str, culprit: str) -> None:
    failure = describe(TypeError("cannot pickle"), stage, 0, culprit)
    assert "nobody awaits it, so run it in the worker, as by asyncio.run(), and return" in str(
        to_exception(failure, WORKER)
    )


def test_a_result_of_a_call_that_does_not_pickle_names_the_method() -> None:
    failure = describe(TypeError("cannot pickle"), "result", None)
    text = str(to_exception(failure, WORKER, "read"))
    assert text.startswith(
        f"what 'read' returned cannot be sent by the {WORKER}: it does not pickle (TypeError: "
        "cannot pickle); return something that does"
    )
    named = str(to_exception(failure._replace(culprit="result: lock"), WORKER, "read"))
    assert f"the {WORKER}: result: lock does not pickle" in named


@pytest.mark.parametrize(
    ("stage", "index", "where"),
    [
        ("arguments", None, f"loading the arguments of 'read' failed in the {WORKER}"),
        ("call", None, f"the call of 'read' failed in the {WORKER}"),
        ("function", 3, f"function failed in the {WORKER}, at the row of index 3"),
        ("input", 3, f"loading the row failed in the {WORKER}, at the row of index 3"),
        ("next", 3, WHERE),
        ("initializer[1]", None, f"initializer[1] failed in the {WORKER}"),
    ],
)
def test_each_stage_is_told(stage: str, index: int | None, where: str) -> None:
    error: Any = to_exception(describe(ValueError("no"), stage, index), WORKER, "read", "row")
    assert isinstance(error, ValueError)
    assert where in printed(error).splitlines()
    assert "it has arrived as text" not in printed(error)
    assert isinstance(error, CallFailedError) == (stage in {"arguments", "call"})
    assert getattr(error, "method", "read") == "read"


def test_the_call_of_an_executor_was_made_by_its_caller() -> None:
    failure = describe(TypeError("f() missing 1 required positional argument"), "function", 0)
    frame = '  File "/x/farside/_worker/mapper.py", line 1, in {}\n    fn()\n'
    texts = [
        printed(to_exception(failure._replace(traceback=frame.format(name)), WORKER))
        for name in ("run_task", "next_batch")
    ]
    assert ["function is called as" in text for text in texts] == [False, True]


def test_what_was_refused_before_may_be_the_cause() -> None:
    failure = describe(ValueError("no"), "next", 3)._replace(refused=("numpy",))
    texts = [
        printed(to_exception(failure._replace(refused_module=module), WORKER))
        for module in (None, "numpy")
    ]
    assert [", which may be the cause. Use" in text for text in texts] == [True, False]


# Exceptions of this process that are kept -----------------------------------------------------


def raised(error: BaseException, cause: BaseException | None = None) -> Any:
    """Return the exception, with the frames and the context that it has where it is caught."""
    try:
        try:
            raise LookupError("context")
        except LookupError:
            raise error from cause
    except BaseException as caught:
        return caught


def test_an_error_for_later_is_a_copy_without_frames() -> None:
    error = raised(WorkerTimeoutError("late", seconds=2.5), cause=raised(OSError("gone")))
    error.__notes__, cause = ["first"], error.__cause__
    made = for_later(error)
    assert (type(made), made.args, made.seconds) == (WorkerTimeoutError, ("late",), 2.5)
    assert made.__traceback__ is made.__context__ is None
    assert type(made.__cause__) is RemoteTraceback
    assert "OSError: gone" in str(made.__cause__)
    made.__notes__.append("second")
    assert error.__notes__ == ["first"]
    assert error.__cause__ is cause, "the exception itself is as it was"


def test_an_error_for_later_keeps_a_cause_that_has_no_frames() -> None:
    text = RemoteTraceback("where it was raised")
    made = for_later(raised(WorkerTimeoutError("late"), cause=text))
    assert made.__cause__ is text
    assert not hasattr(made, "__notes__")


class Needy(FarsideError):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def test_an_error_that_cannot_be_copied_is_kept_itself() -> None:
    error = Needy(1, 2)
    assert for_later(error) is error


def test_an_error_to_keep_has_no_frames() -> None:
    error = raised(NotPicklableError("no"), cause=raised(OSError("gone")))
    cause = error.__cause__
    assert to_keep(error) is error
    assert error.__cause__ is cause
    assert error.__traceback__ is error.__context__ is None
    assert cause.__traceback__ is cause.__context__ is None
    assert "OSError: gone" in str(cause.__cause__)


def test_an_error_to_keep_without_a_cause_tells_where_it_was_raised() -> None:
    error = to_keep(raised(NotPicklableError("no")))
    assert error.__traceback__ is error.__context__ is None
    assert "in raised" in str(error.__cause__)
