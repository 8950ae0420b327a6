"""Both sides of a link in one process, for the suites that test links."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .._link.base import Link
from .._link.frames import Frame
from .._link.worker_base import WorkerLink
from ..errors import LinkClosedError
from .checks import raises, receive

HUGE = bytes(range(256)) * (9 << 12)  # more than any link holds while nobody reads


class LinkPair(NamedTuple):
    """Both sides of a link, and a function that ends the worker's."""

    parent: Link
    """The parent's side."""
    worker: WorkerLink
    """The worker's side, in this process too."""
    end_worker: Callable[[], None]
    """Removes the worker's side, as the end of a worker does. It may be called again."""

    def cleanup(self) -> None:
        self.parent.close()
        self.end_worker()


class MakesLinks:
    """The base of all parts of `LinkContract`."""

    def make(self) -> LinkPair:
        """Make a link. Threads of this process use both of its sides."""
        raise NotImplementedError("say how a link is made: return a LinkPair")

    @contextmanager
    def _pair(self) -> Iterator[LinkPair]:
        pair = self.make()
        try:
            yield pair
        finally:
            pair.cleanup()


def at_parent(pair: LinkPair, count: int = 1) -> list[Frame]:
    """Receive frames in the parent."""
    got: deque[Frame] = deque()
    while len(got) < count:
        assert receive(pair.parent, got)
    return list(got)


def at_worker(worker: WorkerLink, count: int = 1) -> list[Frame]:
    """Receive frames in the worker."""
    got: deque[Frame] = deque()
    while len(got) < count:
        worker.receive(got)
    return list(got)


def raises_closed(call: Callable[..., object], *given: object) -> None:
    """Check that a call finds the link closed."""
    with raises(LinkClosedError):
        call(*given)
