"""What a process can be like before farside gets there, and what comes of it.

Each row is data. The tests perform them, and ``docs/make_faults.py`` makes a table of
``docs/reference/faults.md`` of them.

``python -m tests.faults.surroundings ROW BACKEND`` makes a process so, and prints what comes of it.
"""

from __future__ import annotations

import faulthandler
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import warnings
from functools import partial
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

IMPORTING_S = 1.0
NOT_ALLOWED = "not allowed"
MANY = 70_000
SMALL_STACK = 1 << 16
TESTED_MAIN = "__main__"


class Row(NamedTuple):
    """One thing that a process can be like."""

    title: str
    """As the documentation says it: your process …"""
    process: str
    """What comes of it for a worker that is a process."""
    subinterpreter: str
    prepare: Callable[[], object]
    """Makes this process so."""


def watched() -> None:
    sys.settrace(lambda *_: None)
    threading.settrace(lambda *_: None)
    sys.setprofile(lambda *_: None)
    threading.setprofile(lambda *_: None)
    faulthandler.dump_traceback_later(60)  # armed alone: to dump crashes Python now and then
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "a debugger")
        events = monitoring.events.LINE | monitoring.events.CALL | monitoring.events.RAISE
        for event in (monitoring.events.LINE, monitoring.events.CALL, monitoring.events.RAISE):
            monitoring.register_callback(monitoring.DEBUGGER_ID, event, lambda *_: None)
        monitoring.set_events(monitoring.DEBUGGER_ID, events)


def without_folder() -> None:
    """Let there be no folder for temporary files, whoever asks."""

    def find() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    vars(tempfile)["_get_default_tempdir"] = find


def without_memory() -> None:
    def refuse(*_: object) -> int:
        raise PermissionError("of a policy")

    without_folder()
    vars(os)["memfd_create"] = refuse


def with_many_descriptors() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    first = os.open(os.devnull, os.O_RDONLY)
    for _ in range(min(hard, MANY) - 500):
        os.dup(first)


def with_steps() -> None:
    """Let the time of day be ten years later or earlier each time."""
    now, count = time.time, itertools.count()
    vars(time)["time"] = lambda: now() + (3e8 if next(count) % 2 else -3e8)


def without_pidfds() -> None:
    def refuse(*_: object) -> int:
        raise PermissionError("of a policy")

    vars(os)["pidfd_open"] = vars(os)["eventfd"] = refuse


def slowly_imported() -> None:
    """Let a process that imports this script take its time."""
    os.environ["FARSIDE_TEST_SLOW"] = "1"


if os.environ.get("FARSIDE_TEST_SLOW") and __name__ != TESTED_MAIN:
    time.sleep(IMPORTING_S)

REFUSED = 77
CONTAINER = f"""\
mount --make-rprivate / || exit {REFUSED}
for folder in /tmp /var/tmp; do
    mount --bind $folder $folder && mount -o remount,bind,ro $folder || exit {REFUSED}
done
mount -o remount,bind,ro / || exit {REFUSED}
mount -t tmpfs none /proc || exit {REFUSED}
mount -t tmpfs -o ro,size=4k none /dev/shm || exit {REFUSED}
exec "$@"
"""


def contained() -> None:
    """Go on in namespaces of its own, as in a container, if this process may make some."""
    if os.environ.get("FARSIDE_TEST_CONTAINED"):
        assert os.getpid() == 1
        folders = ("/", "/tmp", "/dev/shm")  # noqa: S108  looked at, not written to
        assert not any(os.access(each, os.W_OK) for each in folders)
        assert os.listdir("/proc") == []
        return
    os.environ["FARSIDE_TEST_CONTAINED"] = "1"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    flags = ["-m", "-p", "-f", *([] if os.getuid() == 0 else ["-U", "-r"])]
    command = ["unshare", *flags, "sh", "-c", CONTAINER, "sh", *sys.orig_argv]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    except FileNotFoundError:
        done = subprocess.CompletedProcess(command, REFUSED, stderr="")
    if done.returncode == REFUSED or done.stderr.startswith("unshare: "):
        print(NOT_ALLOWED, flush=True)
        os._exit(0)
    sys.stderr.write(done.stderr)
    sys.stderr.flush()
    os._exit(done.returncode)


def as_another_user() -> None:
    """Let the socket of the fork server be another user's: that of before a ``setuid``."""

    def refuse(*_: object) -> int:
        raise PermissionError("of another user")

    vars(forkserver)["connect_to_new_process"] = refuse


GOES_ON, TAKES_OVER, SPAWNED = "goes on", "a subprocess takes over", "spawned"
ON_3_14, NOT_IMPORTED = "on 3.14 a subprocess takes over", "goes on, for fn is elsewhere"
UNAVAILABLE, TIMES_OUT = "unavailable", "times out"

SEEN = {
    ON_3_14: TAKES_OVER if sys.version_info[:2] == (3, 14) else GOES_ON,
    NOT_IMPORTED: GOES_ON,
}
"""What comes of it here."""

ROWS = {
    "watched": Row(
        "is watched: `sys.settrace`, `sys.monitoring`, a profiler, "
        "`faulthandler.dump_traceback_later`",
        GOES_ON,
        GOES_ON,
        watched,
    ),
    "traced": Row("traces its memory, by `tracemalloc`", GOES_ON, ON_3_14, tracemalloc.start),
    "small stacks": Row(
        "gives threads a stack of 64 KiB, by `threading.stack_size`",
        GOES_ON,
        TAKES_OVER,
        partial(threading.stack_size, SMALL_STACK),
    ),
    "no folder": Row("has no folder for temporary files", SPAWNED, GOES_ON, without_folder),
    "no memory": Row(
        "has neither such a folder nor `memfd_create`", UNAVAILABLE, UNAVAILABLE, without_memory
    ),
    "no pidfds": Row("may have neither pidfds nor an eventfd", GOES_ON, GOES_ON, without_pidfds),
    "many descriptors": Row(
        "has tens of thousands of files open", GOES_ON, GOES_ON, with_many_descriptors
    ),
    "container": Row(
        "is process 1 of a container, without `/proc` and `/dev/shm`, all of whose folders are "
        "read-only",
        SPAWNED,
        GOES_ON,
        contained,
    ),
    "another user": Row(
        "was another user's when its fork server was started, before a `setuid`",
        SPAWNED,
        GOES_ON,
        as_another_user,
    ),
    "steps": Row("has a clock that is set meanwhile", GOES_ON, GOES_ON, with_steps),
    "slow main": Row(
        "has a main script that takes longer to import than `init_timeout`",
        TIMES_OUT,
        NOT_IMPORTED,
        slowly_imported,
    ),
}


def outcome(backend: str, options: dict[str, Any]) -> str:
    """Use a worker, and tell what came of it."""
    import farside
    from tests.jobs import Blocks

    try:
        with farside.iterate_in_worker(
            partial(Blocks, 20, 300_000), backend=backend, timeout=30.0, **options
        ) as blocks:
            for _ in range(2):
                if sum(map(len, blocks)) != 6_000_000:
                    return "wrong"
            if blocks.backend != backend:
                return TAKES_OVER
            child = getattr(blocks._current.members[0].worker, "_child", None)
            return SPAWNED if child is not None and not child._served else GOES_ON
    except farside.BackendUnavailableError:
        return UNAVAILABLE
    except farside.WorkerTimeoutError:
        return TIMES_OUT


def main() -> None:
    name, backend = sys.argv[1:]
    warnings.simplefilter("ignore")  # of a fallback, and of threads where something forks
    ROWS[name].prepare()
    options = {"init_timeout": IMPORTING_S / 4} if ROWS[name].process == TIMES_OUT else {}
    if backend == "subinterpreter":
        options = {}
    print(outcome(backend, options))


if __name__ == "__main__":
    main()
