"""The little benchmark."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from farside._cli import bench, sources
from farside._cli.main import FINDING, FINE, main

if TYPE_CHECKING:
    import pytest

TOLD = {"items": 5000, "seconds": 0.5, "nbytes": 50_000, "startup": 0.012, "passes": 1}


def test_every_case_has_a_source() -> None:
    for case in bench.CASES:
        assert len(list(islice(getattr(sources, case)(), 10))) == 10


def test_it_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "CASES", {"dicts": "small dicts"})
    assert main(["bench", "--seconds", "0.05", "--json"]) == FINE
    for told in json.loads(capsys.readouterr().out)["bench"]["dicts"].values():
        assert told["items"] > 0
        assert told["nbytes"] > told["items"]


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(request: dict[str, Any]) -> dict[str, Any]:
        return {"error": "it crashes"} if request["factory"].endswith("ints") else TOLD

    monkeypatch.setattr(bench, "ask", ask)
    assert main(["bench"]) == FINDING
    told = capsys.readouterr().out
    assert "it crashes" in told
    assert "12 ms     10 k    100 k" in told
