"""The command line: arguments, exit codes and errors of one line."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time

import pytest

from farside._cli import bench, doctor
from farside._cli.main import FINDING, FINE, INTERRUPTED, USAGE, main


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "farside" in told
    assert "exit codes" in told


def test_alone_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == FINE
    told = capsys.readouterr().out
    assert all(command in told for command in ("doctor", "check", "bench", "exit codes"))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == FINE
    assert capsys.readouterr().out.startswith("farside ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["bench", "--seconds", "0"], "'0' is not a number above 0 and below 3600"),
        (["bench", "--seconds", "x"], "'x' is not a number above"),
    ],
)
def test_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE
    told = capsys.readouterr()
    assert message in told.err
    assert not told.out
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--json"])
    assert caught.value.code == USAGE
    assert message in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "nothing to check; name modules, or an iterable with --replay"),
        (["doctor", "samples"], "'samples' names no factory; write module:callable"),
        (["doctor", ":x"], "':x' names no factory"),
        (["doctor", "no_such:x"], "no_such cannot be imported (ModuleNotFoundError: "),
        (["doctor", "./samples.py:x"], "./samples.py is a path; write the name of the module"),
        (["doctor", "docs/conf.py:x"], "docs/conf.py is a path"),
        (["doctor", "tests.cli.factories:nope"], "tests.cli.factories has no nope"),
        (["doctor", "tests.cli.factories:not_callable"], "is not callable (int)"),
        (["doctor", "tests.cli.factories:needs"], "without arguments (missing a required"),
        (["doctor", "tests.cli.factories:needs(1, 2)"], "with those arguments (too many"),
        (["doctor", "tests.cli.factories:needs(nope)"], "has no needs(nope) (name 'nope' is"),
        (["doctor", "tests.cli.factories:needs(1/0)"], "needs(1/0) raises ZeroDivisionError"),
        (["doctor", "tests.cli.factories:needs("], "'needs(' is not Python"),
        (["doctor", "tests.cli.broken:x"], "cannot be imported (RuntimeError: it is broken)"),
        (["bench", "--plot", "x.doc"], "name a file that ends in .svg"),
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
    *steps, last = told.err.splitlines()
    assert last.startswith(f"farside {arguments[0]}: error: ")
    assert message in last
    assert all(step.startswith("… ") for step in steps)
    assert main([*arguments, "--json"]) == USAGE
    assert message in json.loads(capsys.readouterr().out)["error"]


def test_json_of_a_name_that_is_no_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "run", lambda _: ({"name": "caf\udce9"}, True))
    assert main(["doctor", "--json"]) == FINE
    assert json.loads(capsys.readouterr().out) == {"name": "caf\udce9"}


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "run", interrupt)
    assert main(["doctor"]) == INTERRUPTED


def test_the_first_line_comes_at_once_whatever_the_factory_does() -> None:
    command = [sys.executable, "-m", "farside", "doctor", "tests.cli.hanging:x", "--limit", "2"]
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"This machine\n"
        assert time.monotonic() - begin < 10  # 0.2 s on a machine that does nothing else
        told, steps = process.communicate(timeout=50)
    assert process.returncode == FINDING
    assert "… import tests.cli.hanging:x, 2 s at most" in steps.decode()
    problem = "it cannot be imported: it did not end within 2 s (see --limit), in <module>, "
    assert f"can be sent to a worker  no: {problem}" in told.decode()
    assert f"No worker has run it: {problem}" in told.decode()
    assert "measure" not in steps.decode()  # it would hang again


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


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_runs_where_standard_streams_are_closed(closed: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m farside doctor tests.cli.factories:nope {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, timeout=60, check=False)  # noqa: S602
    assert done.returncode == USAGE
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="it is there on Linux")
@pytest.mark.parametrize("arguments", [["doctor"], ["nope", "--json"]])
def test_a_full_disk_is_an_error_of_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "farside", *arguments]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert done.stderr == "farside: error: [Errno 28] No space left on device\n"
    assert done.returncode == USAGE
