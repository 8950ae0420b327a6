"""One pass over a remote iterable: what the parent knows of it, and the loop over its items.

The helpers bear the names of the protocol's description: `enter_iteration_mode`, `drain`,
`iterate_results`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ._protocol.tables import ParentState
from ._transport import codec
from ._warn import warn
from .errors import ExhaustedIteratorWarning, NotPicklableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._session import Session
    from ._transport.credit import Ledger

_USED_UP = (
    "this pass is empty, since fn returned a one-shot iterator that an earlier pass has used up; "
    "return something that can be iterated again and again, such as a list or an object whose "
    "__iter__ makes a new iterator"
)


class Pass:
    """One pass, as the parent sees it.

    Attributes:
        epoch: its number.
        inbox: bodies of items that have arrived and were not taken.
        over: whether nothing more will arrive.
        error: what to raise when the inbox is empty and the pass is over; None ends the loop.
        received: how many items have arrived.
        ledger: what was taken.
        used_up: the worker says that an earlier pass had used the iterator up.
    """

    __slots__ = ("epoch", "error", "inbox", "ledger", "over", "received", "used_up")

    def __init__(self, epoch: int, ledger: Ledger) -> None:
        self.epoch = epoch
        self.inbox: deque[bytes | bytearray] = deque()
        self.over = False
        self.error: Exception | None = None
        self.received = 0
        self.ledger = ledger
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
        self.over = True
        self.inbox.clear()


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
            inbox, ledger = this.inbox, this.ledger
            drain(session, this)
            while inbox or not this.over:
                while inbox:
                    try:
                        body = inbox.popleft()
                    except IndexError:  # another thread has cancelled the pass since
                        break
                    item = _load(session, body, ledger.total)
                    if ledger.took(len(body)):
                        session.grant(this)
                    session.delivered = True
                    del body
                    yield item
                    del item  # the user alone decides how long it lives
                if not this.over:
                    session.receive(this)
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


def _load(session: Session, body: bytes | bytearray, index: int) -> Any:
    try:
        return codec.loads(body)
    except Exception as error:
        problem = NotPicklableError(
            f"the item of index {index} came from the {session.name} and does not unpickle here "
            f"({type(error).__name__}: {error}); make what it refers to importable in the parent",
            item_index=index,
        )
        session.fail(problem)
        raise problem from error
