"""Kills for lack of memory, as files of the kernel's form tell of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from farside._system import cgroup
from farside._system.cgroup import OomKills

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = "low 0\nhigh 0\nmax 7\noom 3\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
PID = 4711


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("_PROC", "_CGROUPS"):
        monkeypatch.setattr(cgroup, name, str(tmp_path / name))
    (tmp_path / "_PROC" / str(PID)).mkdir(parents=True)
    (tmp_path / "_CGROUPS").mkdir()
    return tmp_path


def tell(root: Path, lines: str) -> None:
    (root / "_PROC" / str(PID) / "cgroup").write_text(lines)


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
