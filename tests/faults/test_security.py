"""What the page about security says."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

from tests import jobs
from tests.faults import revealing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from farside import RemoteIterable
    from tests.kinds import Kind


def sentinel(items: RemoteIterable[Any]) -> str:
    """Return what multiprocessing sees the end of a process by; the process has it as well."""
    worker: Any = items._current.members[0].worker
    child = getattr(worker, "_child", None)
    return "" if child is None else os.readlink(f"/proc/self/fd/{child._process.sentinel}")


def test_programs_inherit_nothing_of_either_side(kind: Kind) -> None:
    before = revealing.descriptors()
    with kind.start(revealing.Reveals) as items:
        here = {fd: what for fd, what in revealing.descriptors().items() if fd not in before}
        there, inherited, _ = items
        of_multiprocessing = sentinel(items)
    assert here
    assert not any(inheritable for _, inheritable in here.values())
    farsides = {link for link, _ in here.values() if link.startswith(("pipe:", "/memfd:"))}
    farsides.discard(of_multiprocessing)
    assert not any(inheritable for link, inheritable in there.values() if link in farsides)
    assert not any(link in inherited for link in farsides)
    assert "memfd" not in inherited


def test_nothing_listens(kind: Kind) -> None:
    before = set(revealing.descriptors().values())
    with kind.start(revealing.Reveals) as items:
        here = set(revealing.descriptors().values()) - before
        there = set(next(iter(items)).values()) - before
    assert not [link for link, _ in here | there if link.startswith("socket:")]


def test_nothing_of_the_job_is_on_the_command_line(
    subprocess_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARSIDE_SECRET", "of the environment")
    with subprocess_kind.start(revealing.Reveals) as items:
        *_, line = items
    assert b"of the environment" not in line
    assert b"revealing" not in line


def test_shared_memory_has_no_name_and_is_the_users_alone(
    kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fn: Callable[[], Any] = partial(jobs.Blocks, 3, 100_000)
    with kind.start(fn) as items:
        assert [len(item) for item in items] == [100_000] * 3
        files = [
            os.stat(f"/proc/self/fd/{fd}")
            for fd, (link, _) in revealing.descriptors().items()
            if link.startswith(str(tmp_path))
        ]
        assert all(stat.S_IMODE(file.st_mode) == 0o600 and not file.st_nlink for file in files)
        assert list(tmp_path.iterdir()) == []
        assert not [name for name in os.listdir("/dev/shm") if "farside" in name]  # noqa: S108
