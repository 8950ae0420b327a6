"""Ctrl-C: the parent is interrupted at once, workers say nothing, and what is left still works."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kinds import FORKSERVER, SUBINTERPRETERS
from tests.scripts.running import Script, write_script

if TYPE_CHECKING:
    from tests.kinds import Kind
    from tests.scripts.running import Done

AT_ONCE_S = 3.0  # on a busy machine; alone it takes milliseconds
END_S = 15.0  # as long as the last resort takes, and more


def interrupt(script: Script) -> None:
    """Send SIGINT as a terminal does, once the parent waits or computes: to the whole group."""
    os.killpg(script.pid, signal.SIGINT)


def await_sleep(pid: int) -> None:
    """Wait until the main thread of a process waits for something."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        pass


def run(folder: Path, source: str, kind: Kind, *, waits: bool = True) -> Done:
    """Run a script, interrupt it once it has said that it is ready, and see it end."""
    path = write_script(folder, source)
    with Script(folder, [str(path)], kind=kind) as script:
        assert script.line() == "ready"
        if waits:
            await_sleep(script.pid)
        interrupt(script)
        begin = time.monotonic()
        assert script.line() == "interrupted"
        assert time.monotonic() - begin < AT_ONCE_S
        return script.wait(END_S)


HEAD = """\
import threading
import time
from functools import partial
from tests.scripts.acts import Sign

class Gate:
    "Yields numbers, and in its first pass waits for a sign after the first."
    def __init__(self, reached, sign):
        self.reached = reached
        self.sign = sign

    def __iter__(self):
        yield 0
        sign, self.sign = self.sign, None
        if sign:
            self.reached.give()
            sign.wait()
        yield from range(1, 100)

if __name__ == "__main__":
    from tests.scripts.starting import start
    from tests.jobs import Numbers, Shelf
"""

IN_NEXT = """\
    reached, sign = Sign("reached"), Sign("sign")
    with start(partial(Gate, reached, sign)) as numbers:
        try:
            for number in numbers:
                reached.wait()
                print("ready", flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        sign.give()
        print(list(numbers) == list(range(100)))
"""

BETWEEN_ITEMS = """\
    with start(partial(Numbers, 100)) as numbers:
        try:
            for number in numbers:
                print("ready", flush=True)
                while True:
                    pass
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(list(numbers) == list(range(100)))
"""

IDLE = """\
    with start(partial(Numbers, 100)) as numbers:
        assert list(numbers) == list(range(100))
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(list(numbers) == list(range(100)))
"""


IN_CALL = """\
    reached, sign = Sign("reached"), Sign("sign")
    with start(partial(Shelf, 100)) as shelf:
        try:
            told = threading.Thread(target=lambda: (reached.wait(), print("ready", flush=True)))
            told.start()
            shelf.call("wait", reached, sign)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        told.join()
        sign.give()
        print(list(shelf) == list(range(101)) and shelf.call("add", 1) == 102)
"""


@pytest.mark.parametrize(
    "body",
    [IN_NEXT, BETWEEN_ITEMS, IDLE, IN_CALL],
    ids=["in next", "between items", "idle", "in call"],
)
def test_the_iterable_is_usable_again(tmp_path: Path, kind: Kind, body: str) -> None:
    done = run(tmp_path, HEAD + body, kind, waits=body is not BETWEEN_ITEMS)
    assert done == (0, "True\n", "")


IN_MAP = """\
import os
from farside import map_in_workers
from tests.mapping_jobs import nap_with

if __name__ == "__main__":
    backend = os.environ["FARSIDE_TEST_KIND"]
    backend = "subinterpreter" if backend == "subinterpreter" else "subprocess"
    items = [bytes(50_000)] * 1000
    with map_in_workers(nap_with, items, 2, backend=backend) as results:
        try:
            for number, _ in enumerate(results):
                if number == 3:
                    print("ready", flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        items[3:] = []
        print(list(results) == [50_000] * 3)
"""

IN_EXECUTOR = """\
import os
from farside import WorkerExecutor
from tests.mapping_jobs import nap_with
from tests.scripts.acts import Sign

if __name__ == "__main__":
    backend = os.environ["FARSIDE_TEST_KIND"]
    backend = "subinterpreter" if backend == "subinterpreter" else "subprocess"
    with WorkerExecutor(2, backend=backend) as executor:
        try:
            both = Sign("both")  # one that was just forked by a fork server can be struck
            for future in [executor.submit(both.wait), executor.submit(both.give)]:
                future.result()
            futures = [executor.submit(nap_with, bytes(50_000)) for _ in range(1000)]
            print("ready", flush=True)
            futures[-1].result()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            executor.shutdown(cancel_futures=True)
    print(all(future.done() for future in futures) and futures[-1].cancelled())
"""


@pytest.mark.parametrize("kind", [FORKSERVER, *SUBINTERPRETERS], ids=lambda kind: kind.name)
@pytest.mark.parametrize("source", [IN_MAP, IN_EXECUTOR], ids=["map", "executor"])
def test_several_workers_that_are_given_inputs(tmp_path: Path, kind: Kind, source: str) -> None:
    assert run(tmp_path, source, kind) == (0, "True\n", "")


UNHANDLED = """\
import atexit, sys

if __name__ == "__main__":
    from tests.scripts.starting import begin

    if ACT == "gil":
        from farside._backends import live_workers
        live_workers.LAST_RESORT_SECONDS = 1.0  # after which its exit is forced
    show = sys.excepthook
    def hook(*error):
        print("interrupted", flush=True)
        show(*error)
    sys.excepthook = hook
    held = begin(ACT)
    print("ready", flush=True)
    for item in held.iterator:
        pass
"""


@pytest.mark.of_any_method
@pytest.mark.parametrize("act", ["sleep", "loop", "produce", "credit", "send", "gil"])
def test_unhandled(tmp_path: Path, kind: Kind, act: str) -> None:
    waits = act not in {"produce", "credit", "send"}
    done = run(tmp_path, UNHANDLED.replace("ACT", repr(act)), kind, waits=waits)
    assert done.out == ""
    assert done.err.count("Traceback") == 1
    if act == "gil" and not kind.is_process:  # its exit has to be forced
        assert done.code == 1
        assert "KeyboardInterrupt\nTimeout" in done.err
    else:
        assert done.code == -signal.SIGINT
        assert done.err.endswith("KeyboardInterrupt\n")


STARTING = """\
import os, sys

def initialize():
    print("ready", flush=True)
    INITIALIZE

if __name__ == "__main__":
    import time
    from tests.scripts.starting import start
    try:
        start(list, initializer=initialize)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    "initialize", ["import time; time.sleep(2)", "while True: pass"], ids=["sleep", "loop"]
)
def test_while_a_worker_starts(tmp_path: Path, kind: Kind, initialize: str) -> None:
    done = run(tmp_path, STARTING.replace("INITIALIZE", initialize), kind)
    assert done == (0, "", "")


STRUCK_EARLY = """\
import os, signal

if __name__ == "__main__":
    import threading
    from tests.jobs import Tellers
    from tests.scripts.starting import start

    # In another thread, since this one would give up at the first.
    held = []
    thread = threading.Thread(target=lambda: held.extend(start(Tellers) for _ in range(3)))
    thread.start()
    signal.signal(signal.SIGINT, lambda *_: None)
    while thread.is_alive():
        os.killpg(0, signal.SIGINT)
    print([len(list(tellers)) for tellers in held])
"""


def test_it_does_not_strike_a_worker_that_is_just_starting(tmp_path: Path, kind: Kind) -> None:
    if kind.name == "forkserver":
        return  # multiprocessing does not allow for it
    path = write_script(tmp_path, STRUCK_EARLY)
    with Script(tmp_path, [str(path)], kind=kind) as script:
        assert script.wait(END_S) == (0, "[1, 1, 1]\n", "")


IMPORTING_MAIN = """\
import multiprocessing
from tests.scripts.acts import Sign

if __name__ == "__mp_main__":
    print("ready", flush=True)
    with open("imported"):
        pass

if __name__ == "__main__":
    from tests.jobs import Tellers
    from tests.scripts.starting import start

    imported = Sign("imported")
    multiprocessing.set_forkserver_preload([])  # as it is before Python 3.14, for the main module
    try:
        tellers = start(Tellers, wait=False)
        tellers.wait_ready()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    imported.give()
    print(len(list(tellers)))
"""


def test_it_does_not_strike_a_worker_that_imports_the_main_module(
    tmp_path: Path, subprocess_kind: Kind
) -> None:
    if subprocess_kind.name != "fork":  # which imports nothing
        done = run(tmp_path, IMPORTING_MAIN, subprocess_kind)
        assert done == (0, "1\n", "")


BESIDE = """\
if __name__ == "__main__":
    import threading
    from tests.jobs import Endless, Spins
    from tests.scripts.starting import begin, start

    def iterate():
        for number in start(Endless):
            if not number:
                begun.release()
            if over.is_set():
                return

    over, begun = threading.Event(), threading.Semaphore(0)
    threads = [threading.Thread(target=iterate) for _ in range(2)]
    for thread in threads:
        thread.start()
        begun.acquire()
    held = begin("sleep")
    try:
        print("ready", flush=True)
        next(held.iterator)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    over.set()
    for thread in threads:
        thread.join()
"""


@pytest.mark.of_any_method
def test_while_other_threads_iterate(tmp_path: Path, kind: Kind) -> None:
    assert run(tmp_path, BESIDE, kind) == (0, "", "")


IMPATIENT = """\
if __name__ == "__main__":
    from tests.scripts.starting import begin

    held = begin("sleep")
    try:
        with held.iterable:
            try:
                print("ready", flush=True)
                next(held.iterator)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
        # A worker in time.sleep is waited for.
    except KeyboardInterrupt:
        print("and again", flush=True)
"""


@pytest.mark.of_any_method
def test_twice(tmp_path: Path, kind: Kind) -> None:
    path = write_script(tmp_path, IMPATIENT)
    with Script(tmp_path, [str(path)], kind=kind) as script:
        for said in ("ready", "interrupted"):
            assert script.line() == said
            await_sleep(script.pid)
            interrupt(script)
        begin = time.monotonic()
        assert script.line() == "and again"
        assert time.monotonic() - begin < AT_ONCE_S
        assert script.wait(END_S) == (0, "", "")
