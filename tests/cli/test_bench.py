"""The little benchmark."""

from __future__ import annotations

import json
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

from farside import Availability
from farside._backends.registry import AUTOMATIC
from farside._cli import bench, jobs
from farside._cli.main import FINDING, FINE, USAGE, main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TOLD = {"items": 5000, "seconds": 0.5, "nbytes": 50_000, "startup": 0.012, "waited": 0.4}


def test_every_case_has_a_source() -> None:
    for case in bench.CASES:
        assert len(list(islice(getattr(jobs, case)(), 10))) == 10
    assert next(jobs.blocks_1m()).raw().nbytes == 1_000_000


def test_it_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "CASES", {"dicts": "small dicts"})
    assert main(["bench", "--seconds", "0.05", "--json"]) == FINE
    for told in json.loads(capsys.readouterr().out)["bench"]["dicts"].values():
        assert told["items"] > 0
        assert told["nbytes"] > told["items"]
        assert 0 < told["waited"] < told["seconds"] + 0.1


def ask(request: dict[str, Any], limit: float) -> dict[str, Any]:
    assert limit == 21.5
    return {"error": "it crashes"} if request["factory"].endswith("ints") else TOLD


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "ask", ask)
    assert main(["bench"]) == FINDING
    told = capsys.readouterr()
    assert "it crashes" in told.out
    assert "12 ms     10 k    100 k  ████████▒▒  5,000 items in 0.5 s" in told.out
    assert "… measure: small dicts, subprocess, 22 s at most" in told.err


def test_the_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "ask", lambda *_: TOLD)
    path = tmp_path / "bench.svg"
    for more in ([], ["--json"]):
        assert main(["bench", "--plot", str(path), *more]) == FINE
        assert f"The table is in {path}." in capsys.readouterr().err
        drawn = path.read_text("utf-8")
        assert drawn.startswith("<svg")
        assert "████████▒▒" in drawn
        assert drawn.count("backends") == 1
        path.unlink()


def test_a_picture_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "ask", lambda *_: TOLD)
    (tmp_path / "x.svg").mkdir()
    assert main(["bench", "--plot", str(tmp_path / "x.svg")]) == 2
    assert "x.svg: Is a directory" in capsys.readouterr().err
    assert main(["bench", "--plot", str(tmp_path / "x.svg"), "--json"]) == 2
    assert "x.svg: Is a directory" in json.loads(capsys.readouterr().out)["error"]


def test_the_picture_needs_rich(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(bench, "find_spec", lambda _: None)
    assert main(["bench", "--plot", "x.svg"]) == 2
    assert "pip install rich" in capsys.readouterr().err


def test_without_a_backend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    states = dict.fromkeys(AUTOMATIC, Availability(usable=False, reason="it is Windows"))
    monkeypatch.setattr(bench, "available_backends", lambda: states)
    assert main(["bench"]) == USAGE
    assert "error: no backend can be used here: it is Windows" in capsys.readouterr().err
