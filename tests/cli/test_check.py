"""What check finds."""

from __future__ import annotations

import json

import pytest

from farside import Availability
from farside._cli import check, probe
from farside._cli.extensions import after_import
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
def test_a_module_that_is_not_there(_: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("no_such_module", "json.no_such", "no_such.module"):
        assert main(["check", name]) == USAGE
        assert f"there is no module {name}; install it" in capsys.readouterr().err


@pytest.mark.parametrize("_", HERE)
def test_a_module_that_fails_everywhere(_: str) -> None:
    found = check.look("tests.cli.broken")
    assert found["result"] == "fails"
    assert found["detail"] == "in the main interpreter too: RuntimeError: broken"


def test_missing_extension_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [f"fast{number}" for number in range(6)]
    monkeypatch.setattr(check, "ask", lambda _: {"error": "", "missing": missing})
    found = check.look("slow")
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


def test_a_probe_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.1)
    told = probe.ask({"kind": "import", "module": "tests.cli.hanging"})
    assert told == {"error": "it hangs: no end within 0 s"}
