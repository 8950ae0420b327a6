"""The command line, and one run of everything for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import cli
from benchmarks.cases import CASES
from benchmarks.contestants import CONTESTANTS
from benchmarks.results import load

from .made import results_of

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults() -> None:
    options = cli.read(cli.parser(), [])
    assert (options.seconds, options.rounds) == (1.0, 5)
    assert (options.cases, options.peers) == (["*"], ["*"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--against", "v1"], (0.2, 15, 1)),
        (["--against", "v1", "--quick"], (0.1, 9, 6)),
        (["--against", "v1", "--quick", "--rounds", "30", "--cases", "ints"], (0.1, 30, 1)),
    ],
)
def test_some_options_bring_other_defaults(
    arguments: list[str], expected: tuple[float, int, int]
) -> None:
    options = cli.read(cli.parser(), arguments)
    assert (options.seconds, options.rounds, len(options.cases)) == expected
    assert options.cases == ["*"] or set(options.cases) <= CASES.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "0"],
        ["--seconds", "soon"],
        ["--rounds", "0"],
        ["--python", "torch"],
        ["--cases", "no-such-case"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert arguments[-1].lstrip("-") in capsys.readouterr().err


def test_the_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"]) == 0
    words = capsys.readouterr().out.split()
    assert {*CASES, *CONTESTANTS} <= set(words)


def test_a_file_is_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "run.json")
    results_of({("import", "import-farside"): [7.0], ("import", "import-spdl"): [70.0]}).save(path)
    assert cli.main(["--load", path, "--targets"]) == 0
    shown = capsys.readouterr().out
    assert "10.0 ×" in shown
    assert "at most 15 ms" in shown


def test_a_missed_target_is_the_status(tmp_path: Path) -> None:
    path = str(tmp_path / "run.json")
    results_of({("import", "import-farside"): [16.0]}).save(path)
    assert cli.main(["--load", path]) == 0
    assert cli.main(["--load", path, "--targets"]) == 1


@pytest.mark.parametrize(("contestant", "status"), [("pool-imap-1", 0), ("farside-subprocess", 1)])
def test_a_failure_of_farside_is_the_status_and_that_of_a_peer_is_not(
    contestant: str, status: int, tmp_path: Path
) -> None:
    path = str(tmp_path / "run.json")
    results = results_of({("ints", contestant): [None]})
    results.outcomes[0].error = "gone"
    results.save(path)
    assert cli.main(["--load", path]) == status


def test_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "run.json")
    options = ["--peers", "none", "--seconds", "0.01", "--rounds", "2", "--json", path]
    assert cli.main(["--cases", "dicts,further-pass", *options]) == 0
    results = load(path)
    assert results.find("dicts", "pipe-items") is not None
    for case in ("dicts", "further-pass"):
        outcome = results.find(case, "farside-subprocess")
        assert outcome is not None
        assert len(outcome.valid) == 2
        assert min(outcome.valid) > 0
    assert "a further pass of three items" in capsys.readouterr().out
