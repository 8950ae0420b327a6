"""The state diagrams in the documentation are those of the transition tables."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from farside._protocol.messages import Cmd, Status
from farside._protocol.parent_machine import (
    PARENT,
    Age,
    ParentEvent,
    ParentState,
    ParentStep,
)
from farside._protocol.worker import WORKER, WorkerState, WorkerStep

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def make_diagrams() -> ModuleType:
    """The script, as a module."""
    return importlib.import_module("docs.make_diagrams")


def test_the_page_shows_the_tables(
    make_diagrams: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_diagrams.main(["--check"]) == 0, capsys.readouterr().out


def test_the_page_holds_both_drawings(make_diagrams: ModuleType) -> None:
    page = make_diagrams.PAGE.read_text(encoding="utf-8")
    for table in (WORKER, PARENT):
        assert f"```mermaid\n{make_diagrams.draw(table)}\n```\n" in page


# Any change shows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", WORKER, ids=str)
def test_a_row_missing_from_the_table_of_the_worker_changes_the_page(
    row: object, make_diagrams: ModuleType
) -> None:
    page = make_diagrams.PAGE.read_text(encoding="utf-8")
    rest = {key: step for key, step in WORKER.items() if key != row}
    assert make_diagrams.update(page, worker=rest) != page


@pytest.mark.parametrize("row", PARENT, ids=str)
def test_a_row_missing_from_the_table_of_the_parent_changes_the_page(
    row: object, make_diagrams: ModuleType
) -> None:
    page = make_diagrams.PAGE.read_text(encoding="utf-8")
    rest = {key: step for key, step in PARENT.items() if key != row}
    assert make_diagrams.update(page, parent=rest) != page


def test_another_status_and_another_target_change_the_drawing(make_diagrams: ModuleType) -> None:
    row = (WorkerState.STAND_BY, Cmd.STOP_ITERATION)
    drawings = {
        make_diagrams.draw(WORKER),
        make_diagrams.draw({**WORKER, row: WorkerStep(WorkerState.DONE, None)}),
        make_diagrams.draw(
            {**WORKER, row: WorkerStep(WorkerState.STAND_BY, Status.ITERATION_FINISHED)}
        ),
    }
    assert len(drawings) == 3


def test_what_is_sent_and_what_is_discarded_change_the_drawing(make_diagrams: ModuleType) -> None:
    row = (ParentState.STOPPING, ParentEvent.START)
    step = ParentStep(ParentState.STARTING, (Cmd.STOP_ITERATION, Cmd.START_ITERATION))
    other = (ParentState.STARTING, (Status.ITERATOR_SUCCESS, Age.OLD))
    meaning = ParentStep(ParentState.STARTING)
    drawings = {
        make_diagrams.draw(PARENT),
        make_diagrams.draw({**PARENT, row: step}),
        make_diagrams.draw({**PARENT, other: meaning}),
    }
    assert len(drawings) == 3


def test_a_page_that_differs_fails_the_check_and_says_what_to_run(
    make_diagrams: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = make_diagrams.PAGE.read_text(encoding="utf-8")
    stale = tmp_path / "protocol.md"
    stale.write_text(
        page.replace("call returned / CALL_SUCCEEDED", "call returned"), encoding="utf-8"
    )
    monkeypatch.setattr(make_diagrams, "PAGE", stale)
    assert make_diagrams.main(["--check"]) == 1
    told = capsys.readouterr().out
    assert "+    CALL --> STAND_BY: call returned / CALL_SUCCEEDED<br>" in told
    assert "run: python docs/make_diagrams.py" in told
    # And running it mends the page.
    assert make_diagrams.main([]) == 0
    assert stale.read_text(encoding="utf-8") == page
    assert make_diagrams.main(["--check"]) == 0


def test_a_page_without_a_place_for_a_drawing_is_an_error(make_diagrams: ModuleType) -> None:
    with pytest.raises(ValueError, match="0 places for the worker diagram"):
        make_diagrams.update("nothing")


# It reads well ------------------------------------------------------------------------------------


def test_labels_are_readable(make_diagrams: ModuleType) -> None:
    worker = make_diagrams.draw(WORKER)
    assert 'state "Stand By" as STAND_BY' in worker
    assert "EVERY --> DONE: parent lost" in worker
    parent = make_diagrams.draw(PARENT)
    assert "ITERATOR_SUCCESS (earlier pass) / discarded" in parent
    assert "STAND_BY --> DONE: UNEXPECTED_CMD_RECEIVED (any pass)\n" in parent
    assert "EVERY --> DONE: close / ABORT<br>worker lost" in parent


@pytest.mark.parametrize("table", [WORKER, PARENT], ids=["worker", "parent"])
def test_no_two_arrows_are_parallel(table: object, make_diagrams: ModuleType) -> None:
    arrows = [
        line.partition(":")[0] for line in make_diagrams.draw(table).splitlines() if "-->" in line
    ]
    assert len(arrows) == len(set(arrows))
