"""Workers, passes and contents come and go, and leave nothing: a short form of the benchmark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.soak.leaks import Grown, measure

if TYPE_CHECKING:
    from tests.kinds import Kind

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(180)  # it makes some 30 workers, one after the other
def test_nothing_grows(kind: Kind) -> None:
    command = [sys.executable, "-m", "benchmarks.soak.leaks", "--share", "0.01"]
    command += ["--backend", kind.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_grows_is_seen() -> None:
    kept: list[bytearray] = []
    grown = measure(lambda: kept.append(bytearray(b"x") * 100_000), 100)
    assert isinstance(grown, Grown)
    assert grown.kib > 9_000
