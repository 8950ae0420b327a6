"""The command line: arguments, exit codes and errors of one line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from farside._cli import bench, doctor
from farside._cli.main import FINDING, FINE, INTERRUPTED, USAGE, main


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"], ["--version"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "farside" in told
    assert "exit codes" in told or arguments == ["--version"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["check"], "required: MODULE"),
        (["bench", "--seconds", "0"], "'0' is no number of seconds above 0 and below 3600"),
        (["bench", "--seconds", "x"], "'x' is no number of seconds"),
    ],
)
def test_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "samples"], "'samples' names no factory; write module:callable"),
        (["doctor", ":x"], "':x' names no factory"),
        (["doctor", "no_such:x"], "no_such cannot be imported (ModuleNotFoundError: "),
        (["doctor", "./samples.py:x"], "./samples.py is a path; write the name of the module"),
        (["doctor", "docs/conf.py:x"], "docs/conf.py is a path"),
        (["doctor", "tests.cli.factories:nope"], "tests.cli.factories has no nope"),
        (["doctor", "tests.cli.factories:not_callable"], "is not callable (int)"),
        (["doctor", "tests.cli.factories:needs"], "without arguments (missing a required"),
        (["bench", "--plot", "x.doc"], "name a file that ends in .svg, .png or .pdf"),
        (["bench", "--plot", "/no/where/x.svg"], "there is no folder /no/where"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda _: "found")
    assert main(arguments) == USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"farside {arguments[0]}: error: ")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_without_matplotlib(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda _: None)
    assert main(["bench", "--plot", "x.svg"]) == USAGE
    assert "pip install 'farside[plot]'" in capsys.readouterr().err


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupt)
    assert main(["doctor"]) == INTERRUPTED


def test_it_runs_as_a_module_and_stops_when_nobody_reads() -> None:
    command = [sys.executable, "-m", "farside", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (FINE, "")
    assert "This machine" in done.stdout
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (FINDING, "")
