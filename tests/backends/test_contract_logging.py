"""What every kind of worker promises about log records and warnings of user code."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import IterableClosedError, WorkerDiedError, WorkerTimeoutError, iterate_in_workers
from farside.testing.checks import take, until
from tests.backends import logging_jobs as jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.kinds import Kind


class Keeper(logging.Handler):
    """Keeps records, and does something for each."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.act: Callable[[logging.LogRecord], object] = lambda _: None

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.act(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    """The handler of the logger that the jobs use."""
    logger = logging.getLogger(jobs.NAME)
    made = Keeper()
    logger.addHandler(made)
    logger.propagate = False  # pytest would print all
    yield made
    logger.removeHandler(made)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def started() -> None:
    jobs.log("in the initializer")


def test_every_stage_is_heard_in_order(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.Stages, initializer=started) as items:
        assert keeper.texts == ["in the initializer", "in fn"]
        for item in items:
            assert keeper.texts[-1] != "in fn"
            assert f"before {item}" in keeper.texts  # no later than the item
    assert keeper.texts[2:] == ["in iter", "before 0", "before 1", "at the end", "in finally"]


def test_a_record_tells_where_it_comes_from(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.Stages) as items:
        list(items)
        record = keeper.records[0]
        label = getattr(record, "worker_label", None)
        assert label is not None
        assert f"worker={label!r}" in repr(items)
        assert getattr(record, "worker_backend", None) == items.backend
        assert getattr(record, "worker_name", None) == f"{items.backend} worker ({label})"
    assert (record.process == os.getpid()) is not kind.is_process
    assert record.filename == "logging_jobs.py"
    assert (record.name, record.levelname, record.args) == (jobs.NAME, "WARNING", None)


def test_what_is_logged_after_the_loop_was_left_is_heard(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.LeftWithWords, initializer=jobs.be_patient) as items:
        for _ in items:
            break
    assert keeper.texts == ["in finally", "in __del__"]


def test_what_is_logged_at_the_end_is_heard(kind: Kind, keeper: Keeper) -> None:
    items = kind.start(jobs.LeftWithWords, initializer=jobs.be_patient)
    iterator = iter(items)
    next(iterator)
    items.close()
    assert keeper.texts == ["in finally", "in __del__"]


def test_a_failure_comes_after_all_that_was_logged_before(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.FailsWithWords) as items:
        got, error = take(items)
        assert (got, str(error)) == ([0], "in the worker")
        assert keeper.texts == [*(f"record {i}" for i in range(100)), "after the error"]


def fail_with_words() -> None:
    jobs.log("about to fail")
    raise ValueError("in the worker")


def test_a_failing_initialization_is_heard(kind: Kind, keeper: Keeper) -> None:
    with pytest.raises(ValueError, match="in the worker"):
        kind.start(list, initializer=fail_with_words)
    assert keeper.texts == ["about to fail"]


def test_what_was_logged_before_a_kill_is_heard(subprocess_kind: Kind, keeper: Keeper) -> None:
    with (
        subprocess_kind.start(partial(jobs.kill_after_logging, 200)) as items,
        pytest.raises(WorkerDiedError, match="SIGKILL"),
    ):
        list(items)
    assert keeper.texts == [f"record {i}" for i in range(200)]


def test_what_waits_when_the_worker_is_killed_is_heard(
    subprocess_kind: Kind, keeper: Keeper
) -> None:
    items = subprocess_kind.start(partial(jobs.Floods, 3))
    iterator = iter(items)
    while items.state != "closed" and not keeper.records:
        next(iterator)
    items.terminate()
    assert keeper.texts == [f"record {i}" for i in range(3)]


def test_levels_are_those_of_the_parent(kind: Kind, keeper: Keeper) -> None:
    logging.getLogger(jobs.NAME).setLevel(logging.ERROR)
    other = logging.getLogger("other")
    other.disabled = True
    try:
        with kind.start(jobs.handlers_there) as found:
            _, levels = found
    finally:
        other.disabled = False
    assert levels == (logging.ERROR, True)
    assert keeper.records == []


def test_what_the_parent_does_not_show_by_now_is_not_shown(kind: Kind, keeper: Keeper) -> None:
    with kind.start(partial(jobs.Floods, 1)) as items:
        logging.getLogger(jobs.NAME).setLevel(logging.ERROR)
        list(items)
    assert keeper.records == []


def test_records_below_warning_are_heard_if_the_parent_wants_them(
    kind: Kind, keeper: Keeper
) -> None:
    logging.getLogger(jobs.NAME).setLevel(logging.DEBUG)
    with kind.start(partial(jobs.Floods, 2, logging.DEBUG)) as items:
        list(items)
    assert keeper.texts == ["record 0", "record 1"]


def test_threads_are_heard(kind: Kind, keeper: Keeper) -> None:
    with kind.start(partial(jobs.in_threads, 4, 500)) as items:
        assert list(items) == [4]
        for name in range(4):
            mine = [text for text in keeper.texts if text.startswith(f"{name} ")]
            assert mine == [f"{name} {number}" for number in range(500)]


def test_whatever_is_in_a_record_it_arrives(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.with_extras) as items:
        list(items)
    plain, hostile, few, huge, failed = keeper.records
    attributes: dict[str, Any] = vars(plain)
    assert (attributes["number"], attributes["table"]) == (7, {"a": [1]})
    assert attributes["held"] == "<as text>"
    assert attributes["stuck"] == "<does not unpickle here (OSError: refuses to load)>"
    assert "RuntimeError: no text" in hostile.getMessage()
    assert few.getMessage().startswith("'one %s too %s few' % (1,) (TypeError:")
    assert len(huge.getMessage()) == 2_000_005
    assert failed.exc_info is None
    assert failed.exc_text is not None
    assert failed.exc_text.endswith("KeyError: 'inner'")
    assert "in with_extras" in str(failed.stack_info)
    assert "KeyError: 'inner'" in logging.Formatter().format(failed)


def test_many_records_come_in_order(kind: Kind, keeper: Keeper) -> None:
    with kind.start(partial(jobs.Floods, 5000)) as items:
        assert list(items) == [5000]
    assert keeper.texts == [f"record {i}" for i in range(5000)]


def test_a_worker_that_logs_does_not_outlive_its_time_limit(kind: Kind, keeper: Keeper) -> None:
    with (
        kind.start(jobs.LogsSlowly, timeout=0.5, init_timeout=60) as items,
        pytest.raises(WorkerTimeoutError),
    ):
        next(iter(items))
    assert keeper.records


# Handlers of the parent ---------------------------------------------------------------------------


def test_a_handler_that_raises_is_heard_and_nothing_is_lost(kind: Kind, keeper: Keeper) -> None:
    def act(record: logging.LogRecord) -> None:
        if record.getMessage() == "before 1":
            keeper.act = lambda _: None
            raise OSError("no handler")

    with kind.start(jobs.Stages) as items:
        keeper.act = act
        with pytest.raises(OSError, match="no handler"):
            list(items)
        assert list(items) == [0, 1]
    assert keeper.texts.count("before 1") == 2
    assert keeper.texts.count("in finally") == 2


def test_ctrl_c_in_a_handler_leaves_the_parent_in_step(kind: Kind, keeper: Keeper) -> None:
    def act(record: logging.LogRecord) -> None:
        if record.getMessage() == "before 1":
            keeper.act = lambda _: None
            signal.raise_signal(signal.SIGINT)

    with kind.start(jobs.Stages) as items:
        keeper.act = act
        with pytest.raises(KeyboardInterrupt):
            list(items)
        assert list(items) == [0, 1]
        assert items.state == "stand by"


def test_a_handler_may_close_the_iterable(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.Stages) as items:
        keeper.act = lambda _: items.close()
        with pytest.raises(IterableClosedError):
            list(items)


def test_a_handler_that_raises_does_not_keep_the_worker_from_being_closed(
    kind: Kind, keeper: Keeper
) -> None:
    def act(_: object) -> None:
        raise OSError("no handler")

    items = kind.start(jobs.LeftWithWords, initializer=jobs.be_patient)
    next(iter(items))
    keeper.act = act
    with pytest.raises(OSError, match="no handler"):
        items.close()
    assert keeper.texts == ["in finally", "in __del__"]
    items.close()


def test_a_handler_that_raises_does_not_keep_other_workers_from_being_closed(
    keeper: Keeper,
) -> None:
    def act(_: object) -> None:
        raise OSError("no handler")

    items = iterate_in_workers(
        jobs.left_with_words, 3, 3, backend="subprocess", initializer=jobs.be_patient
    )
    for _ in zip(items, range(6), strict=False):
        pass
    keeper.act = act
    with pytest.raises(OSError, match="no handler"):
        items.close()
    assert items.state == "closed"
    assert not multiprocessing.active_children()


def test_a_handler_may_iterate_and_start_another(kind: Kind, keeper: Keeper) -> None:
    got: list[list[int]] = []

    def act(record: logging.LogRecord) -> None:
        if record.getMessage() == "in iter":
            keeper.act = lambda _: None
            with kind.start(partial(range, 3)) as others:
                got.append(list(others))

    keeper.act = act
    with kind.start(jobs.Stages) as items:
        assert list(items) == [0, 1]
    assert got == [[0, 1, 2]]


# Nobody receives ----------------------------------------------------------------------------------


def test_a_thread_that_logs_while_nobody_receives_does_not_keep_the_worker(
    kind: Kind, keeper: Keeper
) -> None:
    items = kind.start(partial(jobs.Busy, 60, 100_000), shutdown_timeout=10)
    begun = time.monotonic()
    items.close()
    assert time.monotonic() - begun < 9
    assert keeper.records


def test_a_thread_is_not_blocked_and_what_it_drops_is_counted(
    kind: Kind, keeper: Keeper, tmp_path: Path
) -> None:
    told, done = Keeper(), tmp_path / "done"
    logging.getLogger("farside").addHandler(told)
    try:
        with kind.start(partial(jobs.Busy, 300, 20_000, str(done))) as items:
            until(done.exists)  # nothing is received meanwhile
            ((ended, seconds),) = items
            assert ended
            assert 0.9 < seconds < 20
    finally:
        logging.getLogger("farside").removeHandler(told)
    dropped = [int(text.split(" dropped ")[1].split()[0]) for text in told.texts]
    assert dropped
    assert sum(dropped) + len(keeper.records) == 300
    numbers = [int(text.split()[0]) for text in keeper.texts]
    assert numbers == sorted(numbers)


def test_a_thread_of_a_finalizer_is_heard_to_its_end(
    kind: Kind, keeper: Keeper, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    keeper.act = lambda _: until(done.exists)  # all has been logged before much was received
    finalizer = partial(jobs.log_much_in_thread, str(done))
    kind.start(list, finalizer=finalizer, shutdown_timeout=60).close()
    assert [int(text.split()[0]) for text in keeper.texts] == [*range(800)]


# Warnings -----------------------------------------------------------------------------------------


def shown(caught: Iterable[warnings.WarningMessage]) -> list[warnings.WarningMessage]:
    """Leave out what Python has to say of the start method fork."""
    return [each for each in caught if "fork()" not in str(each.message)]


def test_warnings_are_shown_with_category_text_and_place(kind: Kind) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with kind.start(jobs.warn_in_all_ways) as items:
            list(items)
    caught = shown(caught)
    assert [(each.category, str(each.message)) for each in caught] == [
        (UserWarning, "plain"),
        (jobs.OddWarning, "odd"),
        (jobs.OddWarning, "local"),
        (DeprecationWarning, "explicit"),
    ]
    assert all(isinstance(each.message, each.category) for each in caught)
    assert caught[0].filename == jobs.__file__
    assert (caught[3].filename, caught[3].lineno) == ("some_file.py", 12)


def test_pytest_sees_warnings(kind: Kind, recwarn: pytest.WarningsRecorder) -> None:
    with kind.start(jobs.warn_in_all_ways) as items:
        list(items)
    assert {str(each.message) for each in shown(recwarn)} == {"plain", "odd", "local", "explicit"}
    recwarn.clear()
    with (
        pytest.warns(jobs.OddWarning, match="odd"),
        pytest.warns(UserWarning, match="plain"),
        kind.start(jobs.warn_in_all_ways) as items,
    ):
        list(items)


def test_warnings_are_captured_by_logging(kind: Kind) -> None:
    keeper = Keeper()
    logger = logging.getLogger("py.warnings")
    logger.addHandler(keeper)
    logging.captureWarnings(True)
    try:
        with kind.start(jobs.warn_in_all_ways) as items:
            list(items)
    finally:
        logging.captureWarnings(False)
        logger.removeHandler(keeper)
    assert ["plain" in text for text in keeper.texts] == [True, False, False, False]


def test_an_error_filter_of_the_parent_raises_in_the_worker(kind: Kind) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="the same")
        with kind.start(jobs.warn_once) as items:
            got, error = take(items)
    assert got == []
    assert isinstance(error, UserWarning)


def test_the_once_per_place_rule_is_the_workers(kind: Kind) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        items = kind.start(jobs.warn_once)
    with warnings.catch_warnings(record=True) as caught, items:
        assert list(items) == [0, 1, 2]
    assert len(shown(caught)) == 1


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_a_logger_of_a_class_of_its_own_has_its_level_once_it_is_made(
    kind: Kind, level: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = type("Own", (logging.Logger,), {})(jobs.LATE)
    own.parent = logging.root
    own.setLevel(level)
    monkeypatch.setitem(logging.root.manager.loggerDict, jobs.LATE, own)
    with kind.start(jobs.log_late) as items:
        assert list(items) == [0]
    assert caplog.messages == (["detail", "below"] if level == logging.DEBUG else [])


# Handlers of the worker ---------------------------------------------------------------------------


def test_the_parents_handlers_are_not_the_workers(kind: Kind, keeper: Keeper) -> None:
    root = Keeper()
    logging.root.addHandler(root)
    logging.getLogger(jobs.NAME).propagate = True
    try:
        with kind.start(jobs.handlers_there) as found:
            handlers, _ = found
            assert handlers == []
    finally:
        logging.root.removeHandler(root)
    assert keeper.texts == ["seen"]
    assert root.texts == ["seen"]


def test_handlers_that_the_user_sets_up_in_the_worker_work_too(
    kind: Kind, keeper: Keeper, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    with kind.start(jobs.Stages, initializer=partial(jobs.own_handlers, str(path))) as items:
        list(items)
    assert keeper.texts == path.read_text().splitlines()
    assert len(keeper.texts) == 6


def test_a_logger_that_does_not_propagate_keeps_its_records(kind: Kind, keeper: Keeper) -> None:
    with kind.start(jobs.Stages, initializer=jobs.silence_propagation) as items:
        list(items)
    assert keeper.texts == []


def test_functions_of_logging_add_no_handler(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    with kind.start(jobs.without_a_logger) as found:
        assert list(found) == [0, 1]
    assert caplog.messages == ["of the root logger"]


def test_a_logger_that_stands_alone_keeps_its_records(
    kind: Kind, keeper: Keeper, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    with kind.start(partial(jobs.log_aside, str(path))) as items:
        assert list(items) == [0]
    assert keeper.texts == ["seen"]
    assert path.read_text() == "aside\n"


def test_logging_is_not_imported_for_it(kind: Kind) -> None:
    if kind.name == "fork":
        pytest.skip("this process has imported it")
    with kind.start(jobs.modules_there) as items:
        there, finder, wrapped, finder_after = items
    assert not wrapped
    assert not finder_after
    if not there:  # coverage, or a fork server's preloads, may have imported it
        assert finder


def test_a_forked_child_of_the_worker_does_not_write_to_the_parent(
    subprocess_kind: Kind, keeper: Keeper
) -> None:
    with subprocess_kind.start(jobs.fork_and_log) as items:
        assert list(items) == [0]
    assert keeper.texts == ["before the fork", "after the fork"]


def test_nested_workers_are_heard_through_each_other(subprocess_kind: Kind, keeper: Keeper) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with subprocess_kind.start(partial(jobs.nested, subprocess_kind)) as items:
            assert list(items) == [[1], [0, 1, 2]]
    assert keeper.texts == ["outer", "0 0"]
    outer, inner = [getattr(record, "worker_label", None) for record in keeper.records]
    assert outer != inner
    assert inner == f"pid {keeper.records[1].process}"
    assert len(shown(caught)) == 3


# Without ------------------------------------------------------------------------------------------


def test_without_forwarding_the_worker_keeps_its_records(
    kind: Kind, keeper: Keeper, capfd: pytest.CaptureFixture[str]
) -> None:
    if kind.name == "fork":
        pytest.skip("a forked worker has the handlers of the parent")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        with kind.start(jobs.Stages, forward_logs=False) as items:
            list(items)
        with kind.start(jobs.warn_once, forward_logs=False) as items:
            list(items)
    assert keeper.records == []
    assert shown(caught) == []
    if kind.name != "forkserver":  # its error stream is that of the fork server
        assert "before 0" in capfd.readouterr().err
