"""Result files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.results import Outcome, load

from .made import results_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_brings_back_what_was_saved(tmp_path: Path) -> None:
    results = results_of({("ints", "in-process"): [1.5, None], ("dicts", "in-process"): [2]})
    results.outcomes[0].error = "gone"
    path = str(tmp_path / "run.json")
    results.save(path)
    assert load(path) == results


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": 99}'])
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is not a result file of format 1"):
        load(str(path))


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    results_of({("ints", "in-process"): [1.5]}).save(str(path))
    read = json.loads(path.read_text())
    assert read["format"] == 1
    assert read["outcomes"] == [
        {"case": "ints", "contestant": "in-process", "values": [1.5], "error": None}
    ]


def test_only_outcomes_with_a_value_are_found() -> None:
    results = results_of({("ints", "in-process"): [None, 3], ("ints", "pipe-lists"): [None]})
    found = results.find("ints", "in-process")
    assert isinstance(found, Outcome)
    assert found.valid == [3]
    assert results.find("ints", "pipe-lists") is None
    assert results.find("dicts", "in-process") is None


def test_cases_come_in_their_order() -> None:
    results = results_of({("dicts", "in-process"): [1], ("ints", "in-process"): [1]})
    results.cases["death"] = results.cases["ints"]
    assert list(results.measured_cases()) == ["dicts", "ints"]
