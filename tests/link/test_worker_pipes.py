"""What the worker's side of the pipes does where the parent and it overlook each other."""

import os

from farside._link.control import ACKNOWLEDGED, acknowledged_word
from farside._link.pipes import PipeLink
from farside._link.worker_pipes import PipeWorkerLink
from tests.background import Background


class LateWord:
    """Polls for a worker. Before the second time the parent's word comes, and no wake-up."""

    def __init__(self, worker: PipeWorkerLink) -> None:
        self._worker, self._poll = worker, worker._poll
        self.calls = 0

    def poll(self, patience: int) -> list[tuple[int, int]]:
        self.calls += 1
        if self.calls == 2:
            self._worker._control[ACKNOWLEDGED] = acknowledged_word(1, 1)
        return self._poll.poll(patience)


def test_a_wake_up_that_was_left_over_is_no_second_look(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    """The worker waited for good, though the parent had not seen that it waits."""
    os.write(parent._wakes.fileno(), b"\0")
    worker._poll = late = LateWord(worker)  # type: ignore[assignment]
    assert Background(worker.wait_for_credit, 1, 1).result()
    assert late.calls == 2
