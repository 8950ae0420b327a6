"""What the worker's side of the pipes does where the parent and it overlook each other."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from farside._link import worker_pipes
from farside._link.control import ACKNOWLEDGED, COMMAND_CAME, acknowledged_word
from farside._link.pipes import PipeLink
from farside._link.worker_pipes import PipeWorkerLink
from tests.background import Background


class Overlooked:
    """Polls for a worker. Before a certain time the parent's word comes, with a wake-up or not."""

    def __init__(self, worker: PipeWorkerLink, at: int, wake: Callable[[], object] = bool) -> None:
        self._worker, self._poll, self._at, self._wake = worker, worker._poll, at, wake
        self.patience: list[int] = []

    def poll(self, patience: int) -> list[tuple[int, int]]:
        self.patience.append(patience)
        if len(self.patience) == self._at:
            self._worker._control[ACKNOWLEDGED] = acknowledged_word(1, 1)
            self._wake()
        return self._poll.poll(patience)


def test_a_wake_up_that_was_left_over_is_no_second_look(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    """The worker waited for good, though the parent had not seen that it waits."""
    parent._wake()
    worker._poll = polls = Overlooked(worker, at=2)  # type: ignore[assignment]
    assert Background(worker.wait_for_credit, 1, 1).result()
    assert polls.patience == [1, 1]


def test_after_a_second_look_it_sleeps(parent: PipeLink, worker: PipeWorkerLink) -> None:
    worker._poll = polls = Overlooked(worker, 2, parent._wake)  # type: ignore[assignment]
    assert Background(worker.wait_for_credit, 1, 1).result()
    assert polls.patience == [1, -1]


def test_to_wait_counts_as_waiting_and_nothing_after_it_does(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    for wait, total in ((worker.wait_for_credit, 1), (worker.spin_for_credit, 2)):
        before = parent.gauges().worker_waited
        worker._poll = Overlooked(worker, at=1)  # type: ignore[assignment]
        wait(1, total)
        after = parent.gauges().worker_waited
        assert after > before
        assert parent.gauges().worker_waited == after


def test_a_frame_that_was_not_sent_takes_no_note_of_a_parent_that_waits(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker waited for the parent, before it told of what a signal handler had raised."""

    def struck(*_: object) -> bytes:
        raise TimeoutError

    parent.tell_waiting(True)
    monkeypatch.setattr(worker_pipes, "header", struck)
    with pytest.raises(TimeoutError):
        worker.send(0, 0)
    assert worker.parent_waits()


class Noted(dict[int, bool]):
    """Notes each write to it."""

    def __init__(self, name: str, log: list[tuple[str, bool]]) -> None:
        self._name, self._log = name, log

    def __setitem__(self, key: int, value: bool) -> None:
        self._log.append((self._name, value))


def test_attention_is_never_left_set_alone(worker: PipeWorkerLink) -> None:
    """The loops would look up after each item for the rest of the pass, and find no command."""
    log = list[tuple[str, bool]]()
    noted: Any = worker
    kept = worker._attention, worker.alerted
    noted._attention, noted.alerted = Noted("attention", log), Noted("alerted", log)
    worker.alert(True)
    worker.alert(False)
    noted._attention, noted.alerted = kept
    assert len(log) == 4
    for places in combinations(range(4), 2):  # of the writes of the thread that sets
        setting, clearing = iter(log[:2]), iter(log[2:])
        words = dict([next(setting if at in places else clearing) for at in range(4)])
        assert words["alerted"] or not words["attention"]
    worker.alert(True)
    assert worker._attention[COMMAND_CAME]
