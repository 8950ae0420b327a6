"""Every row of the matrix."""

from __future__ import annotations

import pickle
import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults import ways
from tests.faults.matrix import METHODS, ROWS, STAGES, SUBINTERPRETER, Row
from tests.faults.staging import PATIENCE_S, Seen, Stager
from tests.kinds import KINDS
from tests.scripts.running import run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT_ONCE_S = 5.0
"""Ten times what is promised, for the machine may be busy. The time is on record."""


def is_worth_it(row: Row) -> bool:
    """Whether it is performed: in a subinterpreter not each way to end the process, in each stage.

    Nothing of farside runs after it, in whatever stage. So one way shows that for each stage, and
    each way in one of them.
    """
    if row.outcome.kind == "ends the process":
        return row.way == "os._exit(3)" or row.stage == "waiting"
    return row.outcome.kind != "senseless"


PERFORMED = [row for row in ROWS if is_worth_it(row)]
HERE = {kind.name: kind for kind in KINDS}
OF_PROCESSES = [row for row in PERFORMED if row.kind in METHODS]
OF_SUBINTERPRETERS = [row for row in PERFORMED if row.kind in HERE and row.kind == SUBINTERPRETER]

OF_EACH_METHOD = {"starting", "waiting", "closing"}
"""Stages that are tested with each start method. How a process ends, and how its parent learns of
that, depends on the method and on the way; what the parent makes of it depends on the stage."""

OF_THE_WORKER = {"exception", "SystemExit", "a Python loop", "a blocking call"}
"""Ways that are of no concern to other code of the process."""


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=() if row.stage in OF_EACH_METHOD else pytest.mark.of_any_method)
        for row in OF_PROCESSES
    ],
    ids=str,
)
def test_in_a_process(
    row: Row, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    seen = Stager(row, HERE[row.kind], tmp_path).perform()
    record_property("seconds", seen.seconds)
    check(row, seen)


@pytest.mark.parametrize(
    "row", [row for row in OF_SUBINTERPRETERS if row.way in OF_THE_WORKER], ids=str
)
def test_in_a_subinterpreter(
    row: Row,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    seen = Stager(row, HERE[row.kind], tmp_path).perform()
    record_property("seconds", seen.seconds)
    out, err = capfd.readouterr()
    assert out == ""
    check_said(row, err)
    check(row, seen)


@pytest.mark.parametrize(
    "row", [row for row in OF_SUBINTERPRETERS if row.way not in OF_THE_WORKER], ids=str
)
def test_in_a_subinterpreter_of_its_own_process(
    row: Row, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Since much of it is of concern to the whole process."""
    command = ["-m", "tests.faults.sacrifice", *row, str(tmp_path)]
    done = run_command(tmp_path, *command, kind=HERE[row.kind], timeout=30)
    ends = row.outcome.kind == "ends the process"
    assert (done.code, done.out) == (row.outcome.code if ends else 0, "")
    check_said(row, done.err)
    if not ends:
        seen = pickle.loads((tmp_path / "seen").read_bytes())
        record_property("seconds", seen.seconds)
        check(row, seen)


def check_said(row: Row, err: str) -> None:
    """Nothing is said on standard error, but what Python says of an exception in a finalizer."""
    if row.stage == "closing" and row.way in {"exception", "out of memory"}:
        assert err.startswith("Exception ignored")
        assert err.count("Traceback") in {1, 2}  # with GeneratorExit before it, or without
    elif row.stage == "finalizer" and row.way not in {"closed streams", "closed descriptors"}:
        assert "Traceback" not in err
        assert not err or "FinalizerFailedWarning" in err
    elif (row.stage, row.way) != ("closing", "SystemExit"):  # which farside raises there itself
        assert err == ""


def check(row: Row, seen: Seen) -> None:
    CHECKS[row.outcome.kind](row, seen)
    assert seen.seconds < AT_ONCE_S


def check_failure(row: Row, seen: Seen) -> None:
    stage, original = STAGES[row.stage], row.outcome.original
    if row.stage == "call":  # it does not end the worker
        assert "CallFailedError" in seen.error
        assert (seen.state, seen.reopened) == ("stand by", "open")
        return
    begun = stage.item_index is not None
    check_error(row, seen, "WorkerIterationError" if begun else "WorkerInitializationError")
    assert (original in seen.error) == (original != "SystemExit")
    assert seen.attributes["stage"] == stage.failed_stage
    assert seen.attributes["item_index"] == stage.item_index


def check_error(row: Row, seen: Seen, kind: str) -> None:
    assert kind in seen.error, seen
    assert seen.state == "closed"
    assert seen.reopened == ("" if STAGES[row.stage].state == "initialization" else "closed, same")
    count = (STAGES[row.stage].last_index[0] or 0) + 1
    assert seen.got == list(ways.ITEMS)[: len(seen.got)]
    assert len(seen.got) >= count or STAGES[row.stage].last_index == (None,)


def check_loss(row: Row, seen: Seen, kind: str) -> None:
    stage = STAGES[row.stage]
    check_error(row, seen, kind)
    last = seen.attributes["last_index"]
    assert last in stage.last_index
    assert last is None or seen.got == list(ways.ITEMS)[: last + 1]
    assert seen.attributes["state"] == stage.state
    when = "before any item" if last is None else f"after the item of index {last}"
    others = ("initialization", "the call of 'go_wrong'")
    assert when in seen.message or (last is None and any(each in seen.message for each in others))


def check_death(row: Row, seen: Seen) -> None:
    check_loss(row, seen, "WorkerDiedError")
    code = row.outcome.code
    assert code is not None
    name = None if code >= 0 else signal.Signals(-code).name
    how = f"it ended with exit code {code}" if name is None else f"it was killed by {name}"
    assert how in seen.message
    assert (seen.attributes["exit_code"], seen.attributes["signal_name"]) == (code, name)


def check_letting_go(row: Row, seen: Seen) -> None:
    check_loss(row, seen, "WorkerDiedError")


def check_timeout(row: Row, seen: Seen) -> None:
    check_loss(row, seen, "WorkerTimeoutError")
    assert "TimeoutError" in seen.error
    assert seen.attributes["seconds"] == PATIENCE_S


def check_going_on(row: Row, seen: Seen) -> None:
    assert (seen.got, seen.error) == (list(ways.ITEMS), []), seen


def check_closed(row: Row, seen: Seen) -> None:
    assert (seen.error, seen.state) == ([], "closed"), seen
    assert seen.warned == []


def check_warning(row: Row, seen: Seen) -> None:
    assert (seen.error, seen.state) == ([], "closed"), seen
    assert set(seen.warned) == {"FinalizerFailedWarning"}
    # One that is interrupted fails, and may come to say so itself.
    assert len(seen.warned) <= (2 if row.way in ways.STUCK else 1)


def check_abandoned(row: Row, seen: Seen) -> None:
    assert (seen.error, seen.state) == ([], "closed"), seen
    assert seen.warned == ["WorkerAbandonedWarning"]


CHECKS: dict[str, Callable[[Row, Seen], None]] = {
    "fails": check_failure,
    "dies": check_death,
    "lets go": check_letting_go,
    "lost": check_letting_go,
    "times out": check_timeout,
    "goes on": check_going_on,
    "closes": check_closed,
    "abandoned": check_abandoned,
    "warns": check_warning,
}
