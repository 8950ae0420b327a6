"""What check finds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from farside import Availability
from farside._cli import check, probe
from farside._cli.jobs import after_import
from farside._cli.main import FINDING, FINE, USAGE, main
from tests.kinds import HAS_SUBINTERPRETERS

HERE = ["here"] if HAS_SUBINTERPRETERS else []
"""A parameter for the tests that need subinterpreters."""


@pytest.mark.parametrize("_", HERE)
def test_modules(_: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "json.decoder", "--json"]) == FINE
    assert json.loads(capsys.readouterr().out) == {
        "json.decoder": {"result": "loads", "detail": "", "missing": []}
    }
    assert main(["check", "json", "numpy"]) == FINDING
    told = capsys.readouterr().out
    assert "does not load  the extension module numpy._core" in told


@pytest.mark.parametrize("_", HERE)
def test_a_module_that_is_not_there_does_not_hide_others(
    _: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["no_such_module", "json.no_such", "no_such.module", "json"]
    assert main(["check", *names, "--json"]) == FINDING
    *missing, found = json.loads(capsys.readouterr().out).values()
    assert found["result"] == "loads"
    for name, told in zip(names, missing, strict=False):
        assert told["result"] == "not found"
        assert f"there is no module {name}; install it" in told["detail"]


@pytest.mark.parametrize("_", HERE)
def test_a_path_is_no_module(_: str) -> None:
    found = check.examine_module(__file__, 20)
    assert found["detail"].endswith("write the name of a module, without the folder and .py")


@pytest.mark.parametrize("_", HERE)
def test_a_package_that_ends_the_process_ends_only_its_own(_: str) -> None:
    found = check.examine_module("tests.cli.ending.module", 20)
    assert found["result"] == "fails"
    assert found["detail"] == "in the main interpreter too: SystemExit: 3"


@pytest.mark.parametrize("_", HERE)
def test_a_module_that_fails_everywhere(_: str) -> None:
    found = check.examine_module("tests.cli.broken", 20)
    assert found["result"] == "fails"
    assert found["detail"] == "in the main interpreter too: RuntimeError: it is broken"


def test_missing_extension_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [f"fast{number}" for number in range(6)]
    monkeypatch.setattr(check, "ask", lambda *_: {"error": "", "missing": missing})
    found = check.examine_module("json", 20)
    assert found["result"] == "loads in part"
    assert found["detail"].startswith("without fast0, fast1, fast2, fast3 …: it runs as slower")
    assert found["missing"] == missing


def test_without_subinterpreters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = Availability(usable=False, reason="too old")
    monkeypatch.setattr(check, "available_backends", lambda: {"subinterpreter": state})
    assert main(["check", "json"]) == USAGE
    assert "there are no subinterpreters here: too old" in capsys.readouterr().err


def test_extension_modules_of_others_alone() -> None:
    found = after_import("numpy")
    assert "numpy._core._multiarray_umath" in found
    assert "_json" not in found


def test_a_module_whose_import_hangs() -> None:
    told = probe.ask({"kind": "import", "module": "tests.cli.hanging"}, 2)
    assert told["error"].startswith("it did not end within 2 s (see --limit)")


def test_a_process_that_does_not_end_itself_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_LATE", -1.5)
    told = probe.ask({"kind": "factory", "factory": "tests.cli.hanging:x"}, 2)
    assert told == {"error": "it did not end within 2 s (see --limit)"}


def test_an_iterable_that_is_the_same_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--replay", "tests.cli.factories:Samples"]) == FINE
    told = capsys.readouterr()
    assert "Samples is the same each time: it can be resumed and restarted\n" in told.out
    assert "one-shot" not in told.out
    assert "compare passes of tests.cli.factories:Samples: for each item, 20 s" in told.err


@pytest.mark.parametrize("name", ["kept", "numbers"])
def test_a_one_shot_iterator_can_be_resumed_in_its_first_pass_only(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--replay", f"tests.cli.factories:{name}"]) == FINE
    told = capsys.readouterr().out
    assert f"{name} is the same in its first pass, which can be resumed and restarted\n" in told
    assert "it has no later passes, since it returns a one-shot iterator: " in told


def test_what_user_code_prints_is_not_in_the_json() -> None:
    command = ["check", "--replay", "tests.cli.printing:numbers", "--json"]
    told = subprocess.run(
        [sys.executable, "-m", "farside", *command], check=True, capture_output=True, text=True
    )
    assert json.loads(told.stdout) == {"same": True, "one_shot": True, "difference": None}


def test_an_iterable_that_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    name = "tests.testing.replayed:KeptCount"
    assert main(["check", "--replay", name, "--json"]) == FINDING
    told = json.loads(capsys.readouterr().out)
    assert told == {"same": False, "difference": {"way": "pass before", "item": 0}}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing to check"),
        (["json", "--replay", "tests.cli.factories:Samples"], "and no modules"),
        (["--replay", "tests.cli.factories:fails"], "fails in a worker: ValueError: no data"),
        (["--replay", "tests.cli.factories:stops", "--limit", "4"], ", in stops, "),
        (
            ["--replay", "tests.cli.hanging:x", "--limit", "2"],
            "it did not end within 2 s (see --limit)",
        ),
    ],
)
def test_what_cannot_be_checked(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == USAGE
    assert problem in capsys.readouterr().err
