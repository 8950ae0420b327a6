"""What multiprocessing has in a subinterpreter of what it has in the parent."""

from __future__ import annotations

import multiprocessing
import sys
from functools import partial
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING

import pytest

from farside._backends import preparation
from farside._parent.options import check
from tests.backends import sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    """Shared memory of the parent."""
    memory = SharedMemory(create=True, size=1)
    assert memory.buf is not None
    memory.buf[0] = 7
    yield memory
    memory.close()
    memory.unlink()  # fails if the worker's tracker has unlinked it


def test_shared_memory_outlives_a_worker_that_attaches_to_it(
    subinterpreter_kind: Kind, memory: SharedMemory
) -> None:
    for _ in range(2):
        with subinterpreter_kind.start(partial(sharing.first_byte, memory.name)) as items:
            assert list(items) == [7]


@pytest.mark.usefixtures("memory", "unmeasured")  # coverage imports multiprocessing
def test_a_worker_imports_multiprocessing_only_for_user_code(subinterpreter_kind: Kind) -> None:
    with subinterpreter_kind.start(sharing.shares_at_the_end) as items:
        assert list(items) == [False, True]
    with subinterpreter_kind.start(list):
        pass  # its end of the tracker is closed too: the leak guard looks


def test_a_proxy_of_a_manager_works(subinterpreter_kind: Kind) -> None:
    with multiprocessing.get_context("spawn").Manager() as manager:
        items = manager.list([1])
        with subinterpreter_kind.start(partial(sharing.append, items)) as result:
            assert list(result) == [1, 2]
        assert list(items) == [1, 2]


def test_a_parent_may_have_no_tracker_of_resources(
    subinterpreter_kind: Kind, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "multiprocessing.resource_tracker", raising=False)
    with subinterpreter_kind.start(sharing.key_of_processes) as items:
        assert list(items) == [bytes(multiprocessing.current_process().authkey)]
    assert not capfd.readouterr().err  # an exit handler of the worker would print what it raises


def test_a_parent_without_multiprocessing_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    options = check(list, backend="auto")
    given = preparation.pack(options, in_process=True).preparation
    assert given is not None
    assert given.multiprocessing is not None
    monkeypatch.delitem(sys.modules, "multiprocessing.process")
    given = preparation.pack(options, in_process=True).preparation
    assert given is not None
    assert given.multiprocessing is None
