"""The loop over the items of a pass.

The helpers bear the names of the protocol's description: `enter_iteration_mode`, `drain`,
`iterate_results`.
"""

from __future__ import annotations

from pickle import loads
from typing import TYPE_CHECKING, Any

from ._protocol.tables import ParentState
from ._transport.brief import brief
from ._transport.items import all_atoms, decode, unpack
from ._warn import warn
from .errors import ExhaustedIteratorWarning, NotPicklableError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import TypeAlias

    from ._pass import Pass
    from ._session import Session
    from .errors import FarsideError

    Begin: TypeAlias = Callable[[], "tuple[Session, Pass]"]
    TakeOver: TypeAlias = Callable[["Session"], "Begin | None"]

_CURE = (
    "return something that can be iterated again and again, such as a list or an object whose "
    "__iter__ makes a new iterator"
)
_USED_UP = (
    "this pass is empty, since fn returned a one-shot iterator that an earlier pass has used up; "
    + _CURE
)
_CONTINUED = (
    "this pass goes on after an earlier one that was left, since fn returned a one-shot iterator; "
    "items that the worker had made ahead are lost; " + _CURE
)


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


OVER: list[Any] = []
"""What `Course.step` returns at the end."""

SPOILT = (NotPicklableError, ProtocolError)
"""What opening a frame, or taking items from it, raises when it is of no use."""


class Course:
    """An iterator's way through a pass, step by step. It never waits, unless `step` begins anew.

    Args:
        session: the worker's session.
        this: the pass.
        take_over: asked when the pass has failed. It may return what begins a pass of another
            worker, to go on with; that may take long.

    Attributes:
        session, this: where the next items come from.
        begin: what has to be called before the next step, by `begin_anew`, or None.
    """

    __slots__ = ("_take_over", "begin", "session", "this")

    def __init__(self, session: Session, this: Pass, take_over: TakeOver) -> None:
        self.session = session
        self.this = this
        self.begin: Begin | None = None
        self._take_over = take_over

    def step(self) -> Iterable[Any] | None:
        """Return what yields the next items; None while there are none, `OVER` at the end.

        Raises:
            FarsideError: the pass failed, was superseded, or the iterable was closed.
        """
        this = self.this
        if this.continued:
            this.continued = False
            warn(_CONTINUED, ExhaustedIteratorWarning)
        if this.inbox:
            self.session.used = True
            return _open(self.session, this)
        if not this.over:
            return None
        if this.error is not None:
            self.begin = self._take_over(self.session)
            if self.begin is None:
                raise this.pop_error()
            return None
        if this.used_up:
            warn(_USED_UP, ExhaustedIteratorWarning)
        return OVER

    def begin_anew(self) -> None:
        """Go on with another worker. It has to be started, which takes time."""
        begin, self.begin = self.begin, None
        assert begin is not None
        self.session, self.this = begin()

    def spoilt(self, error: FarsideError) -> None:
        """End the worker, which has sent what is of no use here, unless it has failed itself."""
        if self.session.failure is None:
            self.session.fail(error)

    def leave(self) -> None:
        """Stop the pass, unless it is over."""
        self.session.stop_pass(self.this.epoch)


def iterate_results(
    session: Session, this: Pass, take_over: TakeOver
) -> Generator[Any, None, None]:
    """Yield the items of a pass.

    The first ``next()`` yields None and starts nothing: from then on, closing or dropping the
    generator stops the pass.

    Args:
        session: the worker's session.
        this: the pass.
        take_over: see `Course`.

    Raises:
        FarsideError: the pass failed, was superseded, or the iterable was closed.
        NotPicklableError: an item does not unpickle here.
    """
    course = Course(session, this, take_over)
    spoilt = SPOILT  # the global is gone when Python, at its exit, closes what a module still holds
    try:
        yield None
        drain(session, this)
        while (items := course.step()) is not OVER:
            if items is not None:
                yield from items
            elif course.begin is not None:
                course.begin_anew()
            else:
                course.session.receive(course.this)
    except spoilt as error:
        course.spoilt(error)
        raise
    finally:
        course.leave()


def _open(session: Session, this: Pass) -> Iterable[Any]:
    """Open the next frame: return what yields its items, until the pass is cancelled."""
    try:
        frame = this.inbox.popleft()
    except IndexError:  # another thread has cancelled the pass since
        return []
    this.entries = this.left = entries = unpack(frame)
    if this.cancelled:  # by another thread, just now
        entries.clear()
    if session.counts_items or not all_atoms(entries):
        return _decode_each(session, this, frame.blocks)
    session.take(this, frame.items)
    this.left = rest = iter(entries)
    return rest


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
        except ProtocolError:
            raise
        except Exception as error:
            raise _not_here(session, index, error) from error
        index += 1
        if one_by_one:
            session.take(this, 1)
        del entry
        yield item
        del item  # the user alone decides how long it lives


def _not_here(session: Session, index: int, error: Exception) -> NotPicklableError:
    missing = isinstance(error, (ImportError, AttributeError))
    return NotPicklableError(
        f"the item of index {index} came from the {session.name} and does not unpickle here "
        f"({brief(error)})"
        + ("; make what it refers to importable in the parent" if missing else ""),
        item_index=index,
    )
