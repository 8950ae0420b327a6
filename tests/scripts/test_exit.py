"""The end of the interpreter, wherever the worker is and whoever holds the iterable.

The process ends by itself, with its own exit code, says nothing, and leaves nothing behind.
"""

from __future__ import annotations

import re
import sys
from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from tests.kinds import INLINE, Kind
from tests.scripts.running import run_script, run_to_its_exit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripts.running import Done

EXIT_S = 12
"""How long a script may take from when it says "end". It is more than the exit's own limits, after
which the process is ended by force: that has a code and a text of its own."""

HEAD = """\
import sys

if __name__ == "__main__":
    from tests.scripts.starting import begin, start
    from tests.jobs import Blocks, Endless, Numbers
    from functools import partial
    import atexit, gc, os, threading

"""


def run(folder: Path, body: str, kind: Kind) -> Done:
    return run_to_its_exit(folder, HEAD + indent(body, "    "), kind=kind, exit_s=EXIT_S)


def check(done: Done, out: str = "end\n", code: int = 0) -> None:
    assert (done.code, done.out, done.err) == (code, out, "")


@pytest.mark.parametrize("act", ["idle", "produce", "credit", "send", "loop", "sleep", "gil"])
def test_wherever_the_worker_is(tmp_path: Path, kind: Kind, act: str) -> None:
    if act == "gil" and not kind.is_process:
        return  # see below
    # Where Python code of a subinterpreter still runs as the process ends, it crashes, sometimes.
    racy = not kind.is_process and act in {"produce", "loop"}
    for number in range(5 if racy else 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        check(run(folder, f"held = begin({act!r})\nprint('end', flush=True)", kind))


CLOSED_BY_DEL = """\
import os, sys, threading
from itertools import count

import farside  # so that Python clears its modules before the globals of this script

class Endless:
    def __iter__(self):
        return count()

class Closer:
    def __init__(self, items):
        self.items = items

    def __del__(self, write=os.write):
        self.items.close()
        write(1, b"closed\\n")

if __name__ == "__main__":
    from tests.scripts.starting import start

    closer = Closer(start(Endless))
    if sys.argv[1] == "in a loop":
        threading.Thread(target=list, args=[closer.items], daemon=True).start()
    print("end", flush=True)
"""


@pytest.mark.parametrize("where", ["idle", "in a loop"])
def test_a_finalizer_of_the_user_closes_late(tmp_path: Path, kind: Kind, where: str) -> None:
    done = run_to_its_exit(tmp_path, CLOSED_BY_DEL, where, kind=kind, exit_s=EXIT_S)
    check(done, "end\nclosed\n")


def test_a_finalizer_of_the_user_closes_a_worker_in_the_calling_thread(tmp_path: Path) -> None:
    done = run_to_its_exit(tmp_path, CLOSED_BY_DEL, "idle", kind=INLINE, exit_s=EXIT_S)
    check(done, "end\nclosed\n")


PRESSED_AGAIN = """\
import signal, time
from farside._backends import live_workers

def press():
    while not live_workers._exiting:
        time.sleep(0.01)
    for _ in range(3):
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

held = [begin("sleep"), begin("credit")]
threading.Thread(target=press, daemon=True).start()
print('end', flush=True)
"""


def test_ctrl_c_while_the_process_exits(tmp_path: Path, kind: Kind) -> None:
    check(run(tmp_path, PRESSED_AGAIN, kind))


SOON = """\
from farside._backends import live_workers
live_workers.LAST_RESORT_SECONDS = 1.0
"""


@pytest.mark.parametrize("stderr", ["open", "closed"])
def test_a_subinterpreter_that_holds_its_gil_is_ended_by_force(
    tmp_path: Path, subinterpreter_kind: Kind, stderr: str
) -> None:
    body = "held = begin('gil')\nprint('end', flush=True)\n"
    if stderr == "closed":
        body = f"{SOON}{body}sys.stderr.close()\n"
    done = run(tmp_path, body, subinterpreter_kind)
    assert (done.code, done.out) == (1, "end\n")
    if stderr == "closed":
        assert done.err == ""
    else:
        assert done.err.startswith("Timeout (0:00:05)!\n")


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python ends it by force")
def test_a_thread_that_code_of_a_subinterpreter_has_left_is_waited_for(
    tmp_path: Path, subinterpreter_kind: Kind
) -> None:
    """Two threads ended the interpreter then, and Python waited for ever: it was ended by force."""
    body = "held = begin('thread')\nprint('end', flush=True)\n"
    check(run(tmp_path, body, subinterpreter_kind))


CASES = {
    "no pass was made": """\
numbers = start(partial(Numbers, 3))
""",
    "items are still held": """\
with start(partial(Blocks, 3, 3_000_000)) as blocks:
    kept = list(blocks)
more = start(partial(Blocks, 5, 300_000))
taking = iter(more)
kept.append(next(taking))
kept.append(memoryview(kept[-1]))
""",
    "memory that the worker allocated is held on both sides": """\
from tests.backends.allocating import blocks, kept_until_its_end
allocating = start(kept_until_its_end)
kept = list(allocating)
kept.append(memoryview(kept[0])[1:])
more = start(partial(blocks, 50))
taking = iter(more)
kept.append(next(taking))
""",
    "the iterable is in a reference cycle": """\
class Node:
    pass

gc.disable()
node = Node()
node.me, node.held = node, begin("produce")
del node
""",
    "a class has the iterable": """\
class Holder:
    held = begin("produce")
""",
    "a module that Python empties last has the iterable": """\
sys.held = begin("produce")
next(sys.held.iterator)
os.also_held = start(partial(Numbers, 3))
os.dropped_iterator = iter(os.also_held)
os.held_in_a_list = [begin("produce").iterator]
next(os.held_in_a_list[0])
""",
    "the traceback of an exception has the iterable": """\
def fail():
    held = begin("produce")
    1 / 0
try:
    fail()
except ZeroDivisionError as error:
    kept = error
""",
    "the iterable was dropped and its iterator is held": """\
taking = begin("produce").iterator
next(taking)
""",
    "the iterable is held by a finished thread": """\
local = threading.local()
def use():
    local.held = begin("produce")
thread = threading.Thread(target=use)
thread.start()
thread.join()
""",
    "a daemon thread iterates": """\
begun = threading.Event()
def iterate():
    for number in start(Endless):
        if number == 100:
            begun.set()
threading.Thread(target=iterate, daemon=True).start()
begun.wait()
""",
    "a daemon thread waits for an item": """\
held = begin("sleep")
begun = threading.Event()
def iterate():
    begun.set()
    next(held.iterator)
threading.Thread(target=iterate, daemon=True).start()
begun.wait()
""",
    "many workers at once": """\
many = [begin(act) for act in ("idle", "produce", "credit", "send", "loop") for _ in "12"]
""",
    "a function that runs at exit iterates": """\
numbers = start(partial(Numbers, 3))
@atexit.register
def last():
    assert list(numbers) == [0, 1, 2]
""",
}


@pytest.mark.of_any_method
@pytest.mark.parametrize("case", CASES)
def test_whoever_holds_the_iterable(tmp_path: Path, kind: Kind, case: str) -> None:
    check(run(tmp_path, CASES[case] + "print('end', flush=True)\n", kind))


ITERATES_TO_ITS_END = """\
begun, said = threading.Event(), threading.Event()
def iterate():
    total = 0
    for number in start(partial(Numbers, 20_000)):
        total += 1
        begun.set()
        said.wait()
    print(total)
threading.Thread(target=iterate).start()
begun.wait()
print("end", flush=True)
said.set()
"""


def test_a_thread_that_is_no_daemon_iterates_to_its_end(tmp_path: Path, kind: Kind) -> None:
    check(run(tmp_path, ITERATES_TO_ITS_END, kind), "end\n20000\n")


LATE = """\
import atexit

@atexit.register  # before farside's own function, so it is called after that
def last():
    from tests.jobs import Numbers
    global kept
    try:
        kept = start(partial(Numbers, 3))
        assert list(kept) == [0, 1, 2]
    except RuntimeError:  # "can't fork at interpreter shutdown", or the like
        pass
    print("end", flush=True)

if __name__ == "__main__":
    from functools import partial
    from tests.scripts.starting import start
"""


def test_a_worker_started_when_all_others_have_ended(tmp_path: Path, kind: Kind) -> None:
    check(run_to_its_exit(tmp_path, LATE, kind=kind, exit_s=EXIT_S))


IMPORTED_LATE = """\
import atexit, threading

@atexit.register
def last():
    from tests.jobs import Numbers
    from tests.scripts.starting import start
    try:
        start(partial(Numbers, 3))
    except Exception as error:
        print("end")
        print(error, flush=True)

if __name__ == "__main__":
    from functools import partial
"""


def test_no_worker_is_started_where_farside_is_imported_in_the_exit(
    tmp_path: Path, kind: Kind
) -> None:
    """Nobody would end it."""
    done = run_to_its_exit(tmp_path, IMPORTED_LATE, kind=kind, exit_s=EXIT_S)
    check(done, "end\nno worker can be started here: the process is exiting\n")


CLOSED = """\
if __name__ == "__main__":
    import sys
    from farside import iterate_in_subprocess, iterate_in_worker
    with iterate_in_subprocess(list):  # so what it imports is cleared later, and nothing of `tests`
        pass
    with iterate_in_worker(list, backend=sys.argv[1]) as kept:
        assert list(kept) == []
"""


def test_a_closed_iterable_that_is_kept(tmp_path: Path, kind: Kind) -> None:
    done = run_script(tmp_path, CLOSED, kind.backend, kind=kind)
    assert (done.code, done.err) == (0, "")


CLOSED_LATE = """\
if __name__ == "__main__":
    import atexit, sys, threading, weakref

    def last():
        held.iterable.close()
        thread.join()
        print("closed")

    class Kept:
        pass

    # Before farside's own function, so it is called after that.
    if sys.argv[2] == "atexit":
        atexit.register(last)
    else:
        kept = Kept()
        weakref.finalize(kept, last)

    from tests.scripts.starting import begin

    held = begin(sys.argv[1])
    begun = threading.Event()

    def iterate():
        begun.set()
        for _ in held.iterator:
            pass

    thread = threading.Thread(target=iterate, daemon=True)
    thread.start()
    begun.wait()
    print("end", flush=True)
"""


@pytest.mark.of_any_method
@pytest.mark.parametrize("hook", ["atexit", "finalize"])
@pytest.mark.parametrize("act", ["produce", "sleep"])
def test_closing_and_joining_when_all_have_ended_while_a_daemon_thread_iterates(
    tmp_path: Path, kind: Kind, act: str, hook: str
) -> None:
    if act == "sleep" and not kind.is_process:
        return  # it is left behind, and closing it says so
    done = run_to_its_exit(tmp_path, CLOSED_LATE, act, hook, kind=kind, exit_s=EXIT_S)
    check(done, "end\nclosed\n")


@pytest.mark.of_any_method
@pytest.mark.parametrize("act", ["produce", "sleep"])
def test_an_unhandled_exception_keeps_its_traceback_and_exit_code(
    tmp_path: Path, kind: Kind, act: str
) -> None:
    body = f"held = begin({act!r})\nprint('end', flush=True)\nraise ValueError('mine')"
    done = run(tmp_path, body, kind)
    assert (done.code, done.out) == (1, "end\n")
    assert re.fullmatch(
        r'Traceback \(most recent call last\):\n  File ".*script.py", line 11, in <module>\n'
        r"    raise ValueError\('mine'\)\n( +[\^~]+\n)?ValueError: mine\n",
        done.err,
    )


FAILS_IN_ITS_LOOP = """\
with start(Endless) as numbers:
    for number in numbers:
        print("end", flush=True)
        1 / number
"""


@pytest.mark.of_any_method
def test_an_exception_in_the_loop_body(tmp_path: Path, kind: Kind) -> None:
    done = run(tmp_path, FAILS_IN_ITS_LOOP, kind)
    assert (done.code, done.out) == (1, "end\n")
    assert done.err.count("Traceback") == 1
    assert done.err.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.of_any_method
@pytest.mark.parametrize("act", ["produce", "loop"])
def test_sys_exit_keeps_its_exit_code(tmp_path: Path, kind: Kind, act: str) -> None:
    body = f"held = begin({act!r})\nprint('end', flush=True)\nsys.exit(7)"
    check(run(tmp_path, body, kind), code=7)


@pytest.mark.parametrize("act", ["idle", "credit", "produce"])
def test_finalizers_run(tmp_path: Path, kind: Kind, act: str) -> None:
    begun = f"begin({act!r}, finalizer=partial(os.mkdir, 'told'))"
    check(run(tmp_path, f"held = {begun}\nprint('end', flush=True)", kind))
    assert (tmp_path / "told").is_dir()


@pytest.mark.parametrize("left", ["next(iter(held))", "list(held)", ""])
def test_finalizers_in_the_calling_thread_run(tmp_path: Path, left: str) -> None:
    begun = "start(partial(Numbers, 3), finalizer=partial(os.mkdir, 'told'))"
    check(run(tmp_path, f"held = {begun}\n{left}\nprint('end', flush=True)", INLINE))
    assert (tmp_path / "told").is_dir()
