"""What a backend says that its workers can do is what they do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside._backends.registry import load
from farside.testing.item_jobs import Blocks
from farside.testing.jobs import Endless
from tests.kinds import INLINE, KINDS, Kind
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

    from farside import RemoteIterable


@pytest.fixture(params=[*KINDS, INLINE], ids=lambda kind: kind.name)
def every_kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


def test_killable(every_kind: Kind) -> None:
    numbers: RemoteIterable[int] = every_kind.start(Endless, shutdown_timeout=1)
    with numbers:
        assert next(iter(numbers)) == 0
        worker = numbers._current.members[0].worker
        assert worker is not None
        assert worker.kill() is load(every_kind.backend).capabilities.killable


def test_own_environment(every_kind: Kind) -> None:
    def start() -> None:
        every_kind.start(partial(Blocks, 1, 1), env={"FARSIDE_TEST": "1"}).close()

    if load(every_kind.backend).capabilities.own_environment:
        start()
    else:
        with pytest.raises(ValueError, match="env cannot be given"):
            start()


def test_shares_memory(every_kind: Kind) -> None:
    with every_kind.start(partial(Blocks, 2, 1_000_000)) as blocks:
        assert [len(block) for block in blocks] == [1_000_000] * 2
        shared = blocks.stats().arena_bytes_peak > 0
    assert shared is load(every_kind.backend).capabilities.shares_memory


FORKS = """\
import os, resource

if __name__ == "__main__":
    from tests.scripts.starting import start
    from farside.testing.jobs import Endless
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with start(Endless) as numbers:
        assert next(iter(numbers)) == 0
        child = os.fork()
        if not child:
            os._exit(0)
        print(os.waitpid(child, 0)[1])
"""


def test_allows_fork(tmp_path: Path, kind: Kind) -> None:
    done = run_script(tmp_path, FORKS, kind=kind)
    assert (done.out == "0\n") is load(kind.backend).capabilities.allows_fork
