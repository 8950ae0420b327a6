"""The order of one iterable: its items as they come."""

from __future__ import annotations

from collections.abc import Sequence

from ..._protocol.order import Place
from ..._protocol.parent import ParentCore
from .delivery import Delivery
from .queues import Block


class OneAfterAnother(Delivery):
    """Gives the loop the items of one iterable: without marks, and as they come."""

    needs = (0,)
    without_tasks = True

    def __init__(self, first: int = 0, *, counting: bool) -> None:
        super().__init__(1, counting=counting)
        self.first = first

    def take(self, workers: Sequence[ParentCore]) -> Block | None:
        queue = self.queues[0]
        opened = queue.open(workers[0])
        if opened is None:
            return None
        self._begin_block()
        entries, source = opened.entries, queue.source
        if not source.each:
            queue.given += len(entries)
        due, first = self.anchors.due, self.first + self.block[0]
        if not self.snapshots.empty:
            self._take_anchors(0, first, entries, source, due=due)
        elif due and entries:
            self.anchors.add(0, first, entries[0], source)
        return self._end_block(entries, source.needed)

    def ready(self, workers: Sequence[ParentCore]) -> bool:
        worker = workers[0]  # its frames are opened one by one, so none is half taken
        return bool(worker.inbox.frames) or worker.over  # marks never make this `over`

    def place(self, given: int) -> Place | None:
        count = self.first + given
        return Place(begun=((0, count),) if count else ())
