"""The examples that load data: each runs as its page says, where its libraries are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

import farside

if TYPE_CHECKING:
    from pathlib import Path

NEEDS = {
    "jpegs_to_batches": ("numpy", "PIL"),
    "parquet_to_batches": ("pyarrow",),
    "shards_to_batches": (),
    "text_to_tokens": (),
    "video_to_clips": ("av", "numpy"),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", NEEDS)
def test_an_example_runs(name: str, examples_dir: Path) -> None:
    for module in NEEDS[name]:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    source = os.path.dirname(os.path.dirname(farside.__file__))
    done = subprocess.run(
        [sys.executable, str(examples_dir / f"{name}.py")],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines[1:3]] == ["here", "worker"]
    assert all(float(line[1].replace(",", "")) > 0 for line in lines[1:3])
    assert re.search(r"^bottleneck: ", done.stdout, re.MULTILINE)
