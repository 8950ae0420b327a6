"""Not enough of something: each step comes right or says so at once, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.children import SOURCE

if TYPE_CHECKING:
    from tests.kinds import Kind

ROOT = Path(__file__).parents[2]
SECONDS = 50


def run(what: str, kind: Kind) -> None:
    """Do it in a process of its own: the limits are those of the whole process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.limited", what, kind.name],
        env={**os.environ, "PYTHONPATH": SOURCE},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr[-3000:]


@pytest.mark.parametrize(
    "what",
    [
        "starting_without_descriptors",
        "iterating_without_descriptors",
        "descriptors_of_the_worker",
        "threads",
        "a_small_disk",
    ],
)
def test_what_any_worker_can_run_short_of(what: str, kind: Kind) -> None:
    run(what, kind)


@pytest.mark.parametrize(
    "what", ["memory_of_the_worker", "memory_of_the_parent", "little_address_space"]
)
def test_memory_of_one_side(what: str, subprocess_kind: Kind) -> None:
    run(what, subprocess_kind)
