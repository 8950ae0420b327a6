"""A process that is stopped, with its workers, for longer than they may take, and goes on."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.kinds import SUBINTERPRETERS, SUBPROCESSES
from tests.scripts.running import Script, write_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

STOPPED_S = 2.8
"""More than the limit, and what a wait may be late."""

SCRIPT = """\
import asyncio, threading
from functools import partial
from farside import iterate_in_worker
from tests.scripts.acts import Sign
from tests.scripts.starting import start

class Waits:
    def __init__(self, sign):
        self.sign = sign

    def __iter__(self):
        yield "waits"
        self.sign.wait()
        yield "came"

def loop(name):
    for item in start(partial(Waits, Sign(name)), timeout=2.0, init_timeout=30):
        print(item, flush=True)

async def loop_async(name):
    async for item in start(partial(Waits, Sign(name)), timeout=2.0, init_timeout=30):
        print(item, flush=True)

if __name__ == "__main__":
    threads = [
        threading.Thread(target=loop, args=["a"]),
        threading.Thread(target=lambda: asyncio.run(loop_async("b"))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.parametrize("kind", [SUBPROCESSES[0], *SUBINTERPRETERS], ids=lambda kind: kind.name)
def test_time_that_a_process_was_stopped_does_not_count(tmp_path: Path, kind: Kind) -> None:
    with Script(tmp_path, [str(write_script(tmp_path, SCRIPT))], kind=kind) as script:
        assert [script.line(), script.line()] == ["waits", "waits"]
        for pid in (stopped := script.processes()):
            os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(STOPPED_S)  # this long is what is tested
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        for name in ("a", "b"):
            with open(tmp_path / name, "wb"):
                pass  # the worker waits for it
        done = script.wait(10)
    assert (done.out, done.err) == ("came\ncame\n", "")
