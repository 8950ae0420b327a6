"""The thread that completes futures, where memory runs out."""

from typing import Any

import pytest

from farside import BrokenWorkersError, WorkerExecutor
from farside._parent.executors.crew import Crew
from farside._parent.executors.submitted import Submitted


def test_a_future_is_completed_as_soon_as_there_is_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread ended, and left it as it was."""
    breaks, failures = Crew._break, [MemoryError() for _ in range(3)]

    def scarce(crew: Crew, error: BaseException) -> None:
        if failures:
            raise failures.pop()
        breaks(crew, error)

    def full(*_: Any) -> None:
        raise MemoryError

    with WorkerExecutor(1, backend="subprocess", mp_context="fork") as executor:
        executor.submit(abs, 1).result()
        monkeypatch.setattr(Crew, "_break", scarce)
        monkeypatch.setattr(Submitted, "take_spent", full)
        with pytest.raises(BrokenWorkersError):
            executor.submit(abs, 2).result(20)
    assert not failures


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
