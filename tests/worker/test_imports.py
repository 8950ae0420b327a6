"""What a worker imports is its start-up time: heavy modules stay out for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farside._backends import bundle
from tests.children import SECONDS, SOURCE

HEAVY = {
    "asyncio",
    "cloudpickle",
    "ctypes",
    "dataclasses",
    "inspect",
    "logging",
    "multiprocessing",
    "numpy",
    "pathlib",
    "socket",
    "tempfile",
    "traceback",
    "typing",
}
WITHOUT_CODE = {
    *("_bisect", "_collections", "_functools", "_operator", "_pickle", "_queue", "_struct"),
    *("atexit", "itertools", "mmap", "select"),
    *(("_contextvars",) if sys.version_info >= (3, 14) else ()),
}
"""Written in C."""
WITH_PICKLE = {
    *("collections", "functools", "keyword", "operator", "reprlib", "types"),
    *(("_types", "collections.abc") if sys.version_info >= (3, 14) else ()),
}
"""What `_pickle` imports too, except in a subinterpreter (see `bundled.import_pickle`)."""
THREADS = {"_weakrefset", "threading"} if sys.version_info < (3, 13) else set()
NOT_HERE = {"_py_warnings"} if sys.version_info < (3, 14) else set()
ALREADY_THERE = "_collections_abc, abc, errno, io, os"
"""In each interpreter, by its start or by that of `site`."""


def imported_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; return the modules that it has imported."""
    return set(run(f"{statement}\nprint(*set(sys.modules) - before)").split())


def run(script: str, *args: str) -> str:
    """Run a script in a fresh interpreter; return what it prints."""
    script = f"import sys, {ALREADY_THERE}; before = set(sys.modules)\n{script}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON"))}
    # -S: what site and the .pth files of installed packages import is not farside's doing.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script, *args],
        env={**environment, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("entry", ["interpreter", "process"])
def test_a_worker_imports_nothing_heavy(entry: str) -> None:
    imported = imported_by(f"import farside._worker.{entry}")
    assert f"farside._worker.{entry}" in imported
    assert not imported & HEAVY


IMPORT_ENTRY_POINTS = "from farside import iterate_in_worker, map_in_workers"
IN_PROCESS = "import multiprocessing.process as p; p._current_process._inheriting = True"
IN_INTERPRETER = "import farside._worker.load as load; load.loading = True"


@pytest.mark.parametrize("where", [IN_PROCESS, IN_INTERPRETER], ids=["process", "interpreter"])
def test_a_worker_that_imports_the_entry_points_imports_nothing_of_the_parent(where: str) -> None:
    imported = imported_by(f"{where}; {IMPORT_ENTRY_POINTS}")
    parent = {f"farside._parent{name}" for name in ("", ".defaults", ".signatures")}
    of_parent = ("farside._parent", "farside._backends")
    assert {each for each in imported if each.startswith(of_parent)} == parent


def test_another_process_imports_all_before_a_call_that_might_block_an_event_loop() -> None:
    assert "farside._parent.iterable" in imported_by(IMPORT_ENTRY_POINTS)


LOAD_BUNDLE = """
import marshal
found = []
class Recorder:
    def find_spec(name, *_):
        found.append(name)
sys.meta_path.insert(0, Recorder)
with open(sys.argv[1], "rb") as catalogue, open(sys.argv[2], "rb") as code:
    (loading, of_python, own), loader = marshal.load(catalogue), {}
    exec(loading, loader)  # which imports some modules by itself
    found.clear()
    loader["load_modules"](of_python, code.fileno())
    loader["import_pickle"]()
    loader["load_modules"](own, code.fileno())
print(*found)
import farside._worker.interpreter
print(*set(sys.modules) - before)
"""
"""Prints for which modules Python looks while it loads a bundle, and which are there then."""


@pytest.mark.skipif(sys.version_info < (3, 13), reason="this Python has no subinterpreters")
def test_an_interpreter_imports_what_it_needs_and_no_more(tmp_path: Path) -> None:
    made = bundle.make()
    assert made is not None
    files = [tmp_path / "catalogue", tmp_path / "code"]
    for file, content in zip(files, made, strict=True):
        file.write_bytes(content)
    found, there = (set(line.split()) for line in run(LOAD_BUNDLE, *map(str, files)).splitlines())
    assert there == {*bundle.NAMES, *WITHOUT_CODE} - NOT_HERE
    assert "_pickle" in found
    assert not found & {*bundle.NAMES}  # each comes after those that it imports


PLAIN = """
import sys, time
def tell():
    yield [name for name in ("collections", "functools", "threading") if name in sys.modules]
    time.sleep(0.05)  # what waits is sent by a thread
    import threading
    yield [thread.name for thread in threading.enumerate()]
    yield threading.main_thread().ident
    time.sleep(0.05)
    yield "last"
"""
USE_PLAIN = """
sys.path.insert(0, sys.argv[1])
import plain, threading, farside
for _ in range(3):
    with farside.iterate_in_subinterpreter(plain.tell) as told:
        items = iter(told)
        first = next(items)
        stack = told.dump_stack()
        assert stack.count("the thread ") == 1, stack
        assert (first, *items) == ([], ["MainThread"], threading.main_thread().ident, "last")
print("as it must be")
"""


@pytest.mark.skipif(
    sys.version_info < (3, 14), reason="needs subinterpreters without site-packages"
)
def test_what_an_interpreter_does_without_is_right_once_user_code_imports_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "plain.py").write_text(PLAIN)
    assert run(USE_PLAIN, str(tmp_path)) == "as it must be\n"


def test_a_process_imports_what_it_needs_and_no_more() -> None:
    imported = imported_by("import farside._worker.process")
    own = {"atexit", "farside._worker.interpreter"}
    expected = {*bundle.NAMES, *WITHOUT_CODE, *WITH_PICKLE, *THREADS} - NOT_HERE - own
    assert imported == expected | {
        "farside._system.monkey_patches",
        "farside._system.standard",
        "farside._worker.lifeline",
        "farside._worker.process",
        # multiprocessing has imported these anyway.
        "enum",
        "fcntl",
        "signal",
    }


def test_the_package_alone_imports_none_of_its_modules() -> None:
    imported = imported_by("import farside")
    assert [name for name in imported if name.startswith("farside")] == ["farside"]
    assert not imported & HEAVY
