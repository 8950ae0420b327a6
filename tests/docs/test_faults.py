"""The tables of faults in the documentation are made of the rows that the tests perform."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from tests.faults.matrix import ROWS, STAGES, WAYS, dies

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def make_faults() -> ModuleType:
    """The script, as a module."""
    return importlib.import_module("docs.make_faults")


def test_the_page_shows_the_rows(
    make_faults: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_faults.main(["--check"]) == 0, capsys.readouterr().out


def test_every_stage_is_in_a_group(make_faults: ModuleType) -> None:
    grouped = [stage for stages in make_faults.GROUPS.values() for stage in stages]
    assert sorted(grouped) == sorted(STAGES)


def test_the_stages_of_a_group_have_the_same_outcome(make_faults: ModuleType) -> None:
    for stages in make_faults.GROUPS.values():
        outcomes: dict[tuple[str, str], set[str]] = {}
        for row in ROWS:
            if row.stage in stages and (row.stage, row.kind) != ("starting", "fork"):
                outcomes.setdefault((row.way, row.kind), set()).add(row.outcome.kind)
        different = {frozenset(kinds) for kinds in outcomes.values() if len(kinds) > 1}
        assert different <= {frozenset({"closes", "warns"})}


def test_every_footnote_is_there(make_faults: ModuleType) -> None:
    page = make_faults.PAGE.read_text(encoding="utf-8")
    named = set(page.split("[^")[1:])
    assert {text.partition("]")[0] for text in named if not text.partition("]")[2].startswith(":")}
    for text in named:
        assert f"[^{text.partition(']')[0]}]: " in page


def test_a_row_that_differs_fails_the_check_and_says_what_to_run(
    make_faults: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "faults.md"
    copy.write_text(make_faults.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(make_faults, "PAGE", copy)
    monkeypatch.setitem(WAYS, "SIGKILL", WAYS["SIGKILL"]._replace(process=dies(99)))
    assert make_faults.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "`WorkerDiedError`: exit code 99" in said
    assert "run: python docs/make_faults.py" in said
    assert make_faults.main([]) == 0
    assert make_faults.main(["--check"]) == 0


def test_a_page_without_a_place_for_a_table_is_an_error(make_faults: ModuleType) -> None:
    with pytest.raises(ValueError, match="0 places for the table 'process'"):
        make_faults.update("nothing")
