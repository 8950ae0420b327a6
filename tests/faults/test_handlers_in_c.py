"""Handlers of SIGINT in C, and `signal.siginterrupt`: farside leaves them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

SCRIPT = """\
import ctypes, faulthandler, signal, sys

def flags_of_sigint():
    action = ctypes.create_string_buffer(512)
    ctypes.CDLL(None).sigaction(int(signal.SIGINT), None, action)
    return action.raw[136:140]

if __name__ == "__main__":
    from tests.scripts.starting import start

    chain = sys.argv[1] == "chained"
    with open("stacks", "w+") as file:
        faulthandler.register(signal.SIGINT, file=file, chain=chain)
        signal.siginterrupt(signal.SIGINT, False)
        flags = flags_of_sigint()
        with start(list) as empty:
            for _ in range(2):
                list(empty)
        print(flags_of_sigint() == flags)
        try:
            signal.raise_signal(signal.SIGINT)
            print("went on")
        except KeyboardInterrupt:
            print("interrupted")
        file.seek(0)
        print("script.py" in file.read())
"""


@pytest.mark.parametrize(("how", "then"), [("alone", "went on"), ("chained", "interrupted")])
def test_they_are_there_after_a_loop(tmp_path: Path, kind: Kind, how: str, then: str) -> None:
    done = run_script(tmp_path, SCRIPT, how, kind=kind)
    assert done == (0, f"True\n{then}\nTrue\n", "")
