"""What a worker imports is its start-up time: heavy modules stay out for good."""

import os
import subprocess
import sys

import pytest

from tests.transport.children import SECONDS, SOURCE

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
OF_THE_WORKER = {"_protocol", "_transport", "_worker", "errors"}


def imported_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter; return the modules that it has imported."""
    script = (
        "import sys; before = set(sys.modules)\n"
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


@pytest.mark.parametrize("entry", ["interpreter", "process"])
def test_a_worker_imports_nothing_of_the_parent(entry: str) -> None:
    imported = imported_by(f"import farside._worker.{entry}")
    parts = {name.split(".")[1] for name in imported if name.startswith("farside.")}
    assert parts == OF_THE_WORKER


def test_the_package_alone_imports_none_of_its_modules() -> None:
    imported = imported_by("import farside")
    assert [name for name in imported if name.startswith("farside")] == ["farside"]
    assert not imported & HEAVY
