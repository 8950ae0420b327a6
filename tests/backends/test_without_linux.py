"""A whole program without the calls that Linux has and macOS lacks, in the workers too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import farside
from tests.kinds import HAS_SUBINTERPRETERS

HIDING = """\
import builtins, fcntl, io, mmap, os, signal, select

LACKING = {
    os: "memfd_create eventfd pidfd_open posix_fallocate sched_getaffinity pipe2 P_PIDFD waitid",
    signal: "pidfd_send_signal SIGSTKFLT SIGPWR SIGRTMIN",
    fcntl: "F_SETPIPE_SZ F_ADD_SEALS F_SEAL_SHRINK F_SEAL_GROW F_SEAL_SEAL F_SETSIG",
    mmap: "MADV_REMOVE",
}
for module, names in LACKING.items():
    for name in names.split():
        vars(module).pop(name, None)
if hasattr(os, "process_cpu_count"):
    os.process_cpu_count = os.cpu_count

real_open, real_poll = open, select.poll

def open_without_proc(file, *args, **options):
    if str(file).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(file)
    return real_open(file, *args, **options)

builtins.open = io.open = open_without_proc

class Poll:  # on macOS, it tells nothing of a descriptor of which nothing was asked
    def __init__(self):
        self._poll, self._asked = real_poll(), {}

    def register(self, fd, events):
        self._asked[fd] = events
        self._poll.register(fd, events)

    def poll(self, timeout=None):
        return [each for each in self._poll.poll(timeout) if self._asked[each[0]]]

select.poll = Poll
"""

PROGRAM = """\
import os, signal, sys, warnings
from functools import partial
import farside

class Numbers:
    def __init__(self, path=""):
        self.path = path

    def __iter__(self):
        for number in range(30):
            if self.path and number == 9 and not os.path.exists(self.path):
                os.close(os.open(self.path, os.O_CREAT))
                os.kill(os.getpid(), signal.SIGKILL)
            yield bytearray([number]) * 20_000

def numbers_of(items):
    return [item[0] for item in items] == list(range(30))

def lacks(_):
    return hasattr(os, "memfd_create") or hasattr(os, "pidfd_open")

if __name__ == "__main__":
    warnings.simplefilter("ignore", farside.WorkerRestartedWarning)
    for method in ("spawn", "forkserver"):
        with farside.iterate_in_subprocess(Numbers, mp_context=method) as items:
            print(numbers_of(items), numbers_of(items))
        path = os.path.abspath("died by " + method)
        restarting = partial(Numbers, path)
        options = {"mp_context": method, "max_restarts": 1}
        with farside.iterate_in_subprocess(restarting, **options) as items:
            print(numbers_of(items))
        with farside.map_in_workers(lacks, range(9), num_workers=2, mp_context=method) as found:
            print(any(found))
    if sys.argv[1:]:
        with farside.iterate_in_subinterpreter(Numbers, fallback=None) as items:
            print(numbers_of(items))
    with farside.WorkerExecutor(1) as executor:
        print(executor.submit(len, b"four").result())
"""


def test_a_program_on_a_system_like_macos(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDING)
    (tmp_path / "program.py").write_text(PROGRAM)
    roots = tmp_path, Path(farside.__file__).parents[1]
    own = ["subinterpreter"] if HAS_SUBINTERPRETERS else []
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py", *own],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, roots))},
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
    each_method = ["True True", "True", "False"]
    expected = [*each_method, *each_method, *["True"] * len(own), "4"]
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, expected, "")
