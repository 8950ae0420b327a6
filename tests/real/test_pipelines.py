"""Pipelines of many libraries: each gives in a worker what it gives in a plain loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from farside import BackendFallbackWarning, WorkerDiedError, iterate_in_worker
from tests.children import SOURCE
from tests.kinds import HAS_SUBINTERPRETERS, KINDS, Kind
from tests.real.pipelines import PIPELINES
from tests.real.seeing import seen

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 6
OPTIONS: dict[str, Any] = {"init_timeout": 100, "timeout": 100, "buffer_size": 2}
"""With so small a buffer the worker is in the middle of a pass when the loop is."""
PASSES = 50
SPAWNED = KINDS[0]
GROWTH = 60_000_000
"""Bytes by which a process may grow in all these passes: allocators keep some."""

ROOT = str(Path(__file__).parents[2])


class Passes:
    """A pipeline; each pass has a folder of its own."""

    def __init__(self, name: str, folder: str, count: int = COUNT) -> None:
        self.make = PIPELINES[name].make
        self.folder = folder
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        return self.make(Path(tempfile.mkdtemp(dir=self.folder)), self.count)

    def plain(self) -> list[Any]:
        """Loop over it here, and tell what each item shows."""
        return [seen(item) for item in self]

    def pid(self) -> int:
        return os.getpid()


def resident(pid: int) -> int:
    """Return how many bytes of its own a process has in memory."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no RssAnon of {pid}")


def needed(name: str) -> None:
    """Skip a test whose libraries are not here."""
    for module in PIPELINES[name].modules:
        if find_spec(module.partition(".")[0]) is None:
            pytest.skip(f"{module} is not installed")


CASES = [
    pytest.param(name, kind, id=f"{name}-{kind.name}")
    for name, pipeline in PIPELINES.items()
    for kind in KINDS
    if kind is SPAWNED or (pipeline.in_subinterpreters and not kind.is_process)
]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_pipeline(name: str, kind: Kind, tmp_path: Path) -> None:
    needed(name)
    with kind.start(partial(Passes, name, str(tmp_path)), **OPTIONS) as items:
        plain = items.call("plain")
        assert len(plain) == COUNT
        kept = list(items)  # of which some share what the library uses again
        assert [seen(item) for item in kept] == plain
        for item in items:  # it is left early, and begins anew
            assert seen(item) == plain[0]
            break
        assert [seen(item) for item in items] == plain
        assert [seen(item) for item in kept] == plain
        del kept, item
        check_growth(items, plain[-1])
        if kind.is_process:
            check_death(items, plain)


def check_growth(items: Any, last: Any) -> None:
    """Make many passes: memory stays as it is after the first of them."""
    pids = [os.getpid(), items.call("pid")]
    shared, own = [], []
    for _ in range(PASSES):
        *_, item = items
        assert seen(item) == last
        del item, _
        shared.append(items.stats().arena_bytes_used)
        own.append([resident(pid) for pid in pids])
    assert max(shared[-5:]) <= max(shared[:5])
    for now, before in zip(own[-1], own[PASSES // 5], strict=True):
        assert now < before + GROWTH


def check_death(items: Any, plain: Any) -> None:
    """Kill the worker in the middle of a pass: an error comes, and what arrived stays."""
    pid = items.call("pid")
    iterator = iter(items)
    first = next(iterator)
    os.kill(pid, signal.SIGKILL)
    got = [first]
    with pytest.raises(WorkerDiedError):
        got.extend(iterator)
    assert [seen(item) for item in got] == plain[: len(got)]


EXITS = """\
import sys
from functools import partial
sys.path.insert(0, {root!r})
from farside import iterate_in_subprocess
from tests.real.test_pipelines import Passes

if __name__ == "__main__":
    items = iterate_in_subprocess(partial(Passes, {name!r}, {folder!r}), mp_context="spawn")
    iterator = iter(items)
    sys.kept = [next(iterator), next(iterator)]
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", PIPELINES)
def test_exit_without_close(name: str, tmp_path: Path) -> None:
    needed(name)
    done = subprocess.run(
        [sys.executable, "-c", EXITS.format(root=ROOT, name=name, folder=str(tmp_path))],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=200,  # both sides import the library
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="no subinterpreters, so nothing falls back")
@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves one open
@pytest.mark.parametrize("name", sorted(set(PIPELINES) - {"plain"}))
def test_a_worker_of_any_kind_falls_back_where_the_library_refuses(
    name: str, tmp_path: Path
) -> None:
    needed(name)
    start = partial(Passes, name, str(tmp_path))
    options = {**OPTIONS, "mp_context": "spawn", "fallback": "subprocess"}
    with iterate_in_worker(start, backend="subinterpreter", **options) as items:
        with pytest.warns(BackendFallbackWarning):
            got = list(items)
        assert items.backend == "subprocess"
        assert [seen(item) for item in got] == items.call("plain")
