"""Workers end, also where something strikes in the end of one of them."""

from __future__ import annotations

import errno
import select
from typing import Any

import pytest

from farside._parent import closing, starting
from farside._parent.client import Client
from farside._parent.options import check
from tests.parent import scripted
from tests.parent.scripted import ScriptedWorker, launching, ready


def two_workers(**options: Any) -> tuple[Client, list[ScriptedWorker]]:
    workers = [ScriptedWorker(ready(), None) for _ in range(2)]
    with launching(*workers):
        client = Client(*[check(list, backend="scripted", **options)] * 2)
        starting.start(client)
    return client, workers


def fail_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, error: Any) -> None:
    def fail(*_: object) -> None:
        monkeypatch.undo()
        raise error

    monkeypatch.setattr(owner, name, fail)


NO_MEMORY = OSError(errno.ENOMEM, "Cannot allocate memory")


def test_all_workers_end_where_that_of_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    client, (first, second) = two_workers()
    fail_once(monkeypatch, first, "wait", NO_MEMORY)
    with pytest.raises(OSError, match="Cannot allocate"):
        closing.close(client, kill=False)
    assert (first.link.closed, second.link.closed) == (False, True)
    assert closing.close(client, kill=False)
    assert first.link.closed


def test_a_worker_ends_where_no_log_record_can_be_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, link = scripted.client(None)

    class Poll:
        register = print

        def poll(self, _: int) -> list[tuple[int, int]]:
            monkeypatch.undo()
            raise NO_MEMORY

    monkeypatch.setattr(select, "poll", Poll)
    client.waiting.links.stamp = object()
    with pytest.raises(OSError, match="Cannot allocate"):
        closing.close(client, kill=False)
    assert link.closed


def test_to_drop_what_was_closed_is_no_step_that_ctrl_c_can_strike() -> None:
    """Python drops what is raised in a finalizer, a KeyboardInterrupt too."""
    client, _ = scripted.client()
    steps: list[Any] = []
    client._defer_signals = steps.append  # type: ignore[assignment]
    closing.close(client, kill=False)
    client.abandon()
    assert steps == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NO_MEMORY])
def test_what_is_left_of_closing_is_done_when_it_is_dropped(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, (first, second) = two_workers()
    fail_once(monkeypatch, second, "wait", error)
    with pytest.raises(type(error)):
        closing.close(client, kill=False)
    assert (first.link.closed, second.link.closed) == (True, False)
    client.abandon()
    assert second.link.closed
    assert client.waiting.links.wakeup.closed


def test_ctrl_c_twice_during_the_start_leaves_no_worker_behind() -> None:
    """The caller gets no iterable then, so nobody else could end the workers."""
    workers = [ScriptedWorker(None), ScriptedWorker(None)]
    with launching(*workers):
        client = Client(*[check(list, backend="scripted")] * 2)

        def wait(*_: object) -> None:
            raise KeyboardInterrupt

        client.wait = wait  # type: ignore[method-assign, assignment]
        with pytest.raises(KeyboardInterrupt):
            starting.start(client)
    assert [each.link.closed for each in workers] == [True, True]
    assert client.waiting.links.wakeup.closed
