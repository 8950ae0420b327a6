"""What a worker imports is its start-up time: heavy modules stay out for good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farside._backends import bundle
from tests.children import SECONDS, SOURCE, run_python

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
    *(("_contextvars", "_types", "collections.abc") if sys.version_info >= (3, 14) else ()),
}
"""Written in C, or another name for a module that is there."""
NOT_HERE = {"_py_warnings"} if sys.version_info < (3, 14) else set()
ALREADY_THERE = "_collections_abc, abc, errno, io, os"
"""In each interpreter, by its start or by that of `site`."""


def imported_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; return the modules that it has imported."""
    script = (
        f"import sys, {ALREADY_THERE}; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON"))}
    # -S: what site and the .pth files of installed packages import is not farside's doing.
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={**environment, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("entry", ["interpreter", "process"])
def test_a_worker_imports_nothing_heavy(entry: str) -> None:
    imported = imported_by(f"import farside._worker.{entry}")
    assert f"farside._worker.{entry}" in imported
    assert not imported & HEAVY


def test_an_interpreter_imports_what_it_needs_and_no_more() -> None:
    expected = {*bundle.NAMES, *WITHOUT_CODE} - NOT_HERE
    assert imported_by("import farside._worker.interpreter") == expected


LOOKED_FOR = """
import marshal, sys
found = []
class Recorder:
    def find_spec(name, *_):
        found.append(name)
sys.meta_path.insert(0, Recorder)
with open(sys.argv[1], "rb") as catalogue, open(sys.argv[2], "rb") as code:
    (own, modules), loader = marshal.load(catalogue), {}
    exec(own, loader)  # which imports some modules by itself
    found.clear()
    loader["load_modules"](modules, code.fileno())
print(*found)
"""
"""Prints for which modules Python looks while it loads a bundle."""


@pytest.mark.skipif(sys.version_info < (3, 13), reason="this Python has no subinterpreters")
def test_each_module_of_an_interpreter_comes_after_those_that_it_imports(tmp_path: Path) -> None:
    made = bundle.make()
    assert made is not None
    files = [tmp_path / "catalogue", tmp_path / "code"]
    for file, content in zip(files, made, strict=True):
        file.write_bytes(content)
    found = run_python(LOOKED_FOR, *map(str, files), measured=False).split()
    assert "_pickle" in found
    assert not {*found} & {*bundle.NAMES}


def test_a_process_imports_what_it_needs_and_no_more() -> None:
    imported = imported_by("import farside._worker.process")
    own = {"atexit", "farside._worker.interpreter"}
    expected = {*bundle.NAMES, *WITHOUT_CODE} - NOT_HERE - own
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
