"""Ctrl-C at every point of the parent's code where it can strike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kinds import SUBPROCESSES
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
if __name__ == "__main__":
    from tests.faults.interrupting import main
    print(*main(), sep="\\n")
"""


@pytest.mark.parametrize("act", ["leave", "supersede", "finish", "close"])
def test_wherever_it_strikes(tmp_path: Path, act: str) -> None:
    # The parent's code is the same for all kinds; this one starts fastest.
    done = run_script(tmp_path, SCRIPT, act, kind=SUBPROCESSES[2], timeout=40)
    assert done == (0, "no problem\n", "")
