"""Limits, and kills for lack of memory, as files of the kernel's form tell of them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from farside import WorkerExecutor
from farside._system import cgroup
from farside._system.cgroup import OomKills, memory_limit, processors
from tests.children import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENTS = "low 0\nhigh 0\nmax 7\noom 3\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
PID = 4711


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("_PROC", "_CGROUPS"):
        monkeypatch.setattr(cgroup, name, str(tmp_path / name))
    for pid in (str(PID), "self"):
        (tmp_path / "_PROC" / pid).mkdir(parents=True)
    (tmp_path / "_CGROUPS").mkdir()
    return tmp_path


def tell(root: Path, lines: str, pid: object = PID) -> None:
    (root / "_PROC" / str(pid) / "cgroup").write_text(lines)


def write(root: Path, name: str, text: str) -> None:
    path = root / "_CGROUPS" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("lines", "name", "text"),
    [
        ("0::/user.slice/a:b\n", "user.slice/a:b/memory.events", EVENTS),
        ("0::/\n", "memory.events", EVENTS),
        ("0::/../outside/of/the/container\n", "memory.events", EVENTS),
        ("5:cpu,cpuacct:/\n4:memory:/a\n0::/\n", "memory/a/memory.oom_control", CONTROL),
        ("4:hugetlb,memory:/docker/ab\n", "memory/memory.oom_control", CONTROL),
    ],
)
def test_what_was_killed_since(root: Path, lines: str, name: str, text: str) -> None:
    tell(root, lines)
    write(root, name, text.format(2))
    kills = OomKills(PID)
    assert kills.since() == 0
    write(root, name, text.format(5))
    assert kills.since() == 3
    (root / "_CGROUPS" / name).unlink()
    assert kills.since() == 0


@pytest.mark.parametrize("text", ["low 0\n", "oom_kill many\n", ""])
def test_nothing_is_known_where_the_files_do_not_tell(root: Path, text: str) -> None:
    assert OomKills(PID).since() == 0  # no line about the process
    tell(root, "1:name=systemd:/a\n0::/a\n")
    assert OomKills(PID).since() == 0  # no file
    write(root, "a/memory.events", text)
    assert OomKills(PID).since() == 0
    write(root, "a/memory.events", EVENTS.format(5))


def test_what_this_machine_has_can_be_read() -> None:
    assert OomKills(os.getpid()).since() >= 0


@pytest.fixture
def of_sixteen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process be one that may use 16 processors."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: 16, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16), raising=False)
    cgroup._quotas.cache_clear()
    yield
    cgroup._quotas.cache_clear()


V1 = "cpu/docker/ab/cpu.cfs_"


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "3200000 100000\n"}, 16),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "200000 100000", "cpu.max": "300000 100000\n"}, 2),
        ("0::/../outside/of/the/container\n", {"cpu.max": "400000 100000\n"}, 4),
        ("5:cpu,cpuacct:/docker/ab\n", {f"{V1}quota_us": "70\n", f"{V1}period_us": "20\n"}, 4),
        ("5:cpu,cpuacct:/docker/ab\n", {f"{V1}quota_us": "-1\n", f"{V1}period_us": "20\n"}, 16),
        ("5:cpu:/a\n", {"cpu/cpu.cfs_quota_us": "7\n", "cpu/cpu.cfs_period_us": "1\n"}, 7),
        ("0::/\n", {"cpu.max": "many\n"}, 16),
        ("0::/\n", {}, 16),
        ("", {"cpu.max": "150000 100000\n"}, 16),
    ],
)
@pytest.mark.usefixtures("of_sixteen")
def test_a_quota_is_so_many_processors(
    root: Path, lines: str, files: dict[str, str], expected: int
) -> None:
    assert processors() == 16  # no line about the process
    cgroup._quotas.cache_clear()
    tell(root, lines, "self")
    for name, text in files.items():
        write(root, name, text)
    assert processors() == expected
    with WorkerExecutor() as executor:  # it starts none before a call
        assert executor._max_workers == expected


@pytest.mark.usefixtures("of_sixteen")
def test_a_policy_that_forbids_to_ask_for_processors(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> int:
        raise PermissionError

    write(root, "cpu.max", "max 100000\n")
    monkeypatch.setattr(os, "process_cpu_count", refuse, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", refuse, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert processors() == 3


@pytest.mark.skipif(sys.version_info < (3, 13), reason="Python has no such option")
def test_what_python_was_told_of_processors() -> None:
    command = "from farside._system.cgroup import processors; print(processors())"
    done = subprocess.run(
        [sys.executable, "-X", "cpu_count=1", "-c", command],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "1\n"


def test_the_smallest_limit_of_memory(root: Path) -> None:
    assert memory_limit() is None
    tell(root, "0::/a/b\n", "self")
    assert memory_limit() is None
    for name, text in {"a/b/memory.max": "max\n", "a/memory.max": "300\n"}.items():
        write(root, name, text)
    assert memory_limit() == 300
    tell(root, "4:memory:/a\n0::/\n", "self")
    write(root, "memory/memory.limit_in_bytes", "200\n")
    assert memory_limit() == 200
    tell(root, "4:memory:/b\n", "self")
    write(root, "memory/memory.limit_in_bytes", f"{(1 << 63) - 4096}\n")
    assert memory_limit() is None
