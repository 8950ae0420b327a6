"""The chart of the little benchmark, where matplotlib is installed: tox run -e bench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farside._cli import bench
from farside._cli.main import FINE, main
from tests.cli.test_bench import TOLD

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_chart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "ask", lambda _: TOLD)
    for ending in ("svg", "png", "pdf"):
        path = tmp_path / f"chart.{ending}"
        assert main(["bench", "--plot", str(path)]) == FINE
        assert path.stat().st_size > 1000
