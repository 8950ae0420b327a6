"""The thread that completes futures, where memory runs out."""

import pytest

from farside import WorkerExecutor
from tests.children import run_python

FULL = """\
import time, _testcapi
from concurrent.futures import wait
from farside import BrokenWorkersError, WorkerExecutor

for place in range(100, 180, 8):
    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result()
        futures = []
        _testcapi.set_nomemory(place, place + 12)  # which allocations fail
        try:
            for number in range(4):
                futures.append(executor.submit(abs, number))
            time.sleep(0.1)
        except (MemoryError, BrokenWorkersError):
            pass
        _testcapi.remove_mem_hooks()
        assert not wait(futures, 10).not_done, place
print("all done")
"""


def test_each_future_is_completed_where_there_is_no_memory_for_a_call() -> None:
    """On Python 3.10, each call takes memory. The thread ended, and left them as they were."""
    pytest.importorskip("_testcapi")
    assert run_python(FULL) == "all done\n"


def test_a_call_is_not_made_where_its_thread_could_not_be_woken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has got a MemoryError submits it again."""

    def full() -> None:
        raise MemoryError

    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result()
        with monkeypatch.context() as patched:
            patched.setattr(executor._crew, "_wake", full)
            with pytest.raises(MemoryError):
                executor.submit(abs, 2)
        assert executor._crew._pending.ended
