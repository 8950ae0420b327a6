"""Another revision of farside in the same rounds, and the verdict."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks import against, cli, runner
from benchmarks.results import Outcome, Results, load
from benchmarks.runner import Measurement, Options, Tree

if TYPE_CHECKING:
    from pathlib import Path

NOW, THEN, AGAIN = "farside-subprocess", "farside-subprocess@v1", "farside-subprocess@v1 again"


def results_of(case: str, values: dict[str, list[float | None]]) -> Results:
    cases = {case: {"title": case, "unit": "", "lower": case == "death", "nbytes": 0}}
    outcomes = [Outcome(case, name, each) for name, each in values.items()]
    contestants = {name: {"group": "farside", "missing": ""} for name in values}
    return Results({"against": "v1"}, cases, contestants, outcomes)


def verdict(case: str, now: list[float | None], then: list[float | None]) -> str:
    (found,) = against.compare(results_of(case, {NOW: now, THEN: then, AGAIN: then}), "v1")
    return found.verdict


# The verdict --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([94.0] * 6, "slower"),
        ([94.0] * 5 + [96.0], "unclear"),
        ([96.0] * 6, "as fast"),
        ([200.0] * 6, "as fast"),
        ([50.0] * 5, "unclear"),  # too few rounds for an interval
    ],
)
def test_a_rate_is_slower_where_all_of_the_interval_is_below(
    rates: list[float | None], expected: str
) -> None:
    assert verdict("ints", rates, [100.0] * len(rates)) == expected


@pytest.mark.parametrize(
    ("times", "expected"), [(1.06, "slower"), (1.04, "as fast"), (0.5, "as fast")]
)
def test_a_time_is_slower_where_all_of_the_interval_is_above(times: float, expected: str) -> None:
    assert verdict("death", [100 * times] * 6, [100.0] * 6) == expected


def test_what_is_new_is_listed_and_what_is_gone_fails() -> None:
    (new,) = against.compare(results_of("ints", {NOW: [1.0] * 6}), "v1")
    assert (new.verdict, new.failed) == ("new", False)
    (gone,) = against.compare(results_of("ints", {THEN: [1.0] * 6}), "v1")
    assert (gone.verdict, gone.failed) == ("gone", True)


def test_what_could_not_be_measured_fails() -> None:
    (found,) = against.compare(results_of("ints", {NOW: [None] * 6, THEN: [1.0] * 6}), "v1")
    assert (found.verdict, found.failed) == ("not measured", True)


def test_the_table_shows_what_equal_code_differs_by() -> None:
    values: dict[str, list[float | None]] = {
        NOW: [90.0] * 6,
        THEN: [100.0] * 6,
        AGAIN: [97.0, *[100.0] * 4, 103.0],
    }
    found = against.compare(results_of("ints", values), "v1")
    stream = StringIO()
    Console(file=stream, width=150, color_system=None).print(against.comparison_table(found, "v1"))
    row = next(line for line in stream.getvalue().splitlines() if NOW in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["ints", NOW, "0.90 ×", "0.90 – 0.90", "0.97 – 1.03", "slower"]


@pytest.mark.parametrize(("rate", "status"), [(90.0, 1), (100.0, 0)])
def test_what_is_slower_is_the_status(rate: float, status: int, tmp_path: Path) -> None:
    path = str(tmp_path / "run.json")
    results_of("ints", {NOW: [rate] * 6, THEN: [100.0] * 6}).save(path)
    assert cli.main(["--load", path]) == status


def test_a_run_that_compared_nothing_fails(tmp_path: Path) -> None:
    path = str(tmp_path / "run.json")
    results_of("ints", {}).save(path)
    assert cli.main(["--load", path]) == 1


# What is run --------------------------------------------------------------------------------------


def test_trees_of_one_contestant_are_measured_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def ask(_: str, what: tuple[str, ...], __: float, path: str, *___: object) -> dict[str, object]:
        asked.append(what[1] + path)
        return {"value": 1.0}

    monkeypatch.setattr(runner, "_ask", ask)
    trees = [Tree(f"@{path}", path, path) for path in "12"]
    todo = [Measurement("ints", name, "", tree) for tree in trees for name in "ab"]
    results = Results({}, {}, {})
    runner.run(Options(rounds=4), results, todo, lambda _: None)
    assert " ".join(asked) == "a1 a2 b1 b2 a2 a1 b2 b1 a2 a1 b2 b1 a1 a2 b1 b2"
    assert [each.contestant for each in results.outcomes] == ["a@1", "b@1", "a@2", "b@2"]


@pytest.mark.usefixtures("unmeasured")
def test_a_tree_is_imported_in_place_of_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "farside").mkdir()
    (tmp_path / "farside" / "__init__.py").write_text("")
    options = Options(cases=("ints",), trees=[Tree("@v0", "v0", str(tmp_path))])
    results, todo = runner.plan(options)
    assert not [each for each in todo if each.contestant == NOW]
    assert results.contestants["farside-subprocess@v0"]["missing"] == (
        "this farside has no iterate_in_subprocess"
    )
    assert "pool-imap-1" not in results.contestants


@pytest.mark.usefixtures("unmeasured")  # else the lines of HEAD would count too
def test_a_run_against_a_revision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (runner.ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    path = str(tmp_path / "run.json")
    options = ["--cases", "further-pass", "--seconds", "0.01", "--rounds", "1", "--json", path]
    assert cli.main(["--against", "HEAD", *options]) == 0
    assert "as good as HEAD" in capsys.readouterr().out
    contestants = load(path).contestants
    versions = [contestants[name]["version"] for name in (NOW, f"{NOW}@HEAD")]
    assert versions == ["as it is", "HEAD"]


def test_benchmarks_ask_for_public_names_alone() -> None:
    files = (runner.ROOT / "benchmarks").rglob("*.py")
    assert [str(file) for file in files if "farside._" in file.read_text(encoding="utf-8")] == []


def test_a_revision_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--against", "no-such-revision"])
    assert caught.value.code == 2
    assert "no-such-revision" in capsys.readouterr().err
