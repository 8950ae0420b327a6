"""One pass over a remote iterable: what the parent knows of it, and the loop over its items.

The helpers bear the names of the protocol's description: `enter_iteration_mode`, `drain`,
`iterate_results`.
"""

from __future__ import annotations

from collections import deque
from pickle import loads
from typing import TYPE_CHECKING, Any

from ._protocol.tables import ParentState
from ._transport.items import all_atoms, decode, unpack
from ._warn import warn
from .errors import ExhaustedIteratorWarning, NotPicklableError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from ._session import Session
    from ._transport.frames import Frame

_USED_UP = (
    "this pass is empty, since fn returned a one-shot iterator that an earlier pass has used up; "
    "return something that can be iterated again and again, such as a list or an object whose "
    "__iter__ makes a new iterator"
)


class Pass:
    """One pass, as the parent sees it.

    Attributes:
        epoch: its number.
        inbox: frames of items that have arrived and were not opened.
        entries: what is left of the frame that is open.
        over: whether nothing more will arrive.
        error: what to raise when everything was taken and the pass is over; None ends the loop.
        received: how many items have arrived.
        taken: how many items the worker may take for taken by the user.
        cancelled: whether what has arrived must not be taken any more.
        used_up: the worker says that an earlier pass had used the iterator up.
    """

    __slots__ = (
        "cancelled",
        "entries",
        "epoch",
        "error",
        "inbox",
        "over",
        "received",
        "taken",
        "used_up",
    )

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.inbox: deque[Frame] = deque()
        self.entries: list[Any] = []
        self.over = False
        self.cancelled = False
        self.error: Exception | None = None
        self.received = 0
        self.taken = 0
        self.used_up = False

    @property
    def last_index(self) -> int | None:
        """Index of the last item that has arrived."""
        return self.received - 1 if self.received else None

    def finish(self, error: Exception | None) -> None:
        """Let nothing more arrive; what has arrived can still be taken."""
        if not self.over:
            self.error = error
            self.over = True

    def cancel(self, error: Exception) -> None:
        """Let nothing more arrive, and drop what was not taken.

        A pass that has finished is not over for its user before the last item was taken: it too
        must not end as if all had been.
        """
        if self.error is None:
            self.error = error
        self.over = self.cancelled = True
        self.inbox.clear()
        self.entries.clear()


def enter_iteration_mode(session: Session) -> Pass:
    """Begin a pass: send STOP_ITERATION if one is open, then START_ITERATION.

    It does not wait for the worker; `drain` does, at the first item.

    Args:
        session: the worker's session.

    Raises:
        IterableClosedError: there is no worker any more.
    """
    return session.start_pass()


def drain(session: Session, this: Pass) -> None:
    """Discard what earlier passes left, until ITERATION_STARTED of this pass has arrived.

    Args:
        session: the worker's session.
        this: the pass.
    """
    while not this.over and session.state is ParentState.STARTING:
        session.receive(this)


def iterate_results(
    session: Session, this: Pass, take_over: Callable[[Session], tuple[Session, Pass] | None]
) -> Generator[Any, None, None]:
    """Yield the items of a pass.

    The first ``next()`` yields None and starts nothing: from then on, closing or dropping the
    generator stops the pass.

    Args:
        session: the worker's session.
        this: the pass.
        take_over: asked when the pass has failed; may return another worker's session and pass
            to go on with.

    Raises:
        FarsideError: the pass failed, was superseded, or the iterable was closed.
        NotPicklableError: an item does not unpickle here.
    """
    try:
        yield None
        while True:
            drain(session, this)
            while this.inbox or not this.over:
                if not this.inbox:
                    session.receive(this)
                    continue
                session.delivered = True
                yield from _open(session, this)
            if this.error is None:
                break
            other = take_over(session)
            if other is None:
                raise this.error
            session, this = other
        if this.used_up:
            warn(_USED_UP, ExhaustedIteratorWarning)
    finally:
        session.stop_pass(this.epoch)


def _open(session: Session, this: Pass) -> Iterable[Any]:
    """Open the next frame: return what yields its items, until the pass is cancelled."""
    try:
        frame = this.inbox.popleft()
    except IndexError:  # another thread has cancelled the pass since
        return ()
    try:
        entries = unpack(frame)
    except ProtocolError as error:
        session.fail(error)
        raise
    this.entries = entries
    if this.cancelled:  # by another thread, just now
        entries.clear()
    if session.counts_items or not all_atoms(entries):
        return _decode_each(session, this, frame.blocks)
    session.take(this, frame.items)
    return entries


def _decode_each(
    session: Session, this: Pass, blocks: Sequence[memoryview]
) -> Generator[Any, None, None]:
    index, entries = this.taken, this.entries
    entries.reverse()
    one_by_one = session.counts_items or blocks
    if not one_by_one:
        session.take(this, len(entries))
    while entries:
        try:
            entry = entries.pop()
        except IndexError:  # another thread has cancelled the pass since
            return
        try:
            # For a pickle, without a call in between: this is what a small item costs.
            item = loads(entry) if type(entry) is bytes else decode(entry, blocks)
        except Exception as error:
            raise _not_here(session, index, error) from error
        index += 1
        if one_by_one:
            session.take(this, 1)
        del entry
        yield item
        del item  # the user alone decides how long it lives


def _not_here(session: Session, index: int, error: Exception) -> NotPicklableError:
    """End the worker, one of whose items does not unpickle in this process."""
    problem = NotPicklableError(
        f"the item of index {index} came from the {session.name} and does not unpickle here "
        f"({type(error).__name__}: {error}); make what it refers to importable in the parent",
        item_index=index,
    )
    session.fail(problem)
    return problem
