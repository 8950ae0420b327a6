"""The soak: a short run of it finds nothing, and it would find what it is there for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.soak import items, plans
from benchmarks.soak.items import Expected, Items

ROOT = Path(__file__).parents[2]


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", "3", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(file.read_text())
    assert report["violations"] == []
    assert done.returncode == 0, done.stderr
    assert report["items"] > 0
    assert set(report["workers"]) <= set(report["backends"])


def test_a_step_can_be_repeated() -> None:
    one, other = (plans.draw(Random(73), ["spawn", "inline"]) for _ in range(2))
    assert one == other
    command = [sys.executable, "-m", "benchmarks.soak", "--step", "3", "--backend", "inline"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("kind", items.KINDS)
def test_each_kind_of_item_is_told_from_others(kind: str) -> None:
    expected = Expected(1, 1, (kind,))
    made: list[Any] = list(Items(1, 12, (kind,), ("", 0)))
    for index, item in enumerate(made):
        expected.check(index, item)
        for wrong in (index + 1, index - 1):
            with pytest.raises(AssertionError):
                expected.check(wrong, item)
    with pytest.raises(AssertionError):
        Expected(1, 2, (kind,)).check(0, made[0])
