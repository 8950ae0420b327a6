"""The iterator of ``async for``: the same steps as those of ``for``, on an event loop.

It is a class, and no async generator. Python leaves it to the loop to close a generator that is
dropped, some time later, and one that is cancelled while it waits is over for good.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import ref

from ._loops import off_loop, waiter_here
from ._passes import OVER, SPOILT, Course
from .errors import ChannelClosedError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from ._transport.channel import ParentChannel
    from ._transport.readiness import Readiness

T = TypeVar("T")

_TURN_SECONDS = 0.001
"""For how long the loop's other tasks may have to wait for a task that takes items and never waits.
By time, since items take whatever the user does with them. To give a turn costs some microseconds,
so this often it costs less than one per cent."""

_AT_ONCE = 64
"""How many items are taken, at most, between two looks at the clock; fewer where they take long."""

_CONGESTION_SECONDS = 0.01
"""How often to look for room for commands: hardly ever, since a worker reads them at once unless it
was stopped, or holds its GIL."""

_NOTHING: Iterator[Any] = iter(())


class AsyncResults(Generic[T]):
    """Yields the items of a pass to ``async for``.

    Closing it, or dropping it, stops the pass at once. It is for one task at a time. When a task is
    cancelled while it waits for an item, nothing is lost: the next ``anext()`` goes on.

    Args:
        course: the way through the pass.
    """

    __slots__ = ("_taker",)

    def __init__(self, course: Course) -> None:
        self._taker: _Taker[T] = _Taker(course)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        # What a small item costs is this much: mostly there is one, and no need to look further.
        taker = self._taker
        try:
            for item in taker.items:
                return item
            return await taker.advance()
        except SPOILT as error:
            taker.end()
            await off_loop(partial(taker.course.spoilt, error))
            raise
        except BaseException:
            # Whoever keeps the traceback must not keep this alive, and so the pass open.
            del self
            raise

    async def aclose(self) -> None:
        """Stop the pass at once; a task that waits for an item gets `IterableClosedError`."""
        self._taker.end()

    def __del__(self) -> None:
        taker: _Taker[T] | None = getattr(self, "_taker", None)
        if taker is not None and not taker.over:
            taker.course.leave()


class _Taker(Generic[T]):
    """Takes the items of a pass, on an event loop.

    Args:
        course: the way through the pass.

    Attributes:
        course: the same.
        items: some that may be taken without a look at anything else.
        over: whether there are no more.
    """

    __slots__ = (
        "_at_once", "_busy", "_readiness", "_rest", "_turn_began", "_waits_since", "course",
        "items", "over",
    )  # fmt: skip

    def __init__(self, course: Course) -> None:
        self.course = course
        self.items: Iterator[T] = _NOTHING
        self.over = False
        self._rest: Iterator[T] = _NOTHING  # of the frame that is open
        self._at_once = 1
        self._busy = False
        self._turn_began = monotonic()
        self._waits_since: float | None = None
        self._readiness: tuple[ParentChannel, Readiness] | None = None

    def end(self) -> None:
        """Take no more."""
        self.over = True
        self._rest = self.items = _NOTHING
        self._readiness = None
        self.course.leave()

    async def advance(self) -> T:
        """Return the next item when it has come.

        Raises:
            StopAsyncIteration: the pass is over.
            RuntimeError: another task waits for the next item.
            FarsideError: the pass failed, was superseded, or the iterable was closed.
        """
        if self._busy:
            raise RuntimeError(
                "another task waits for the next item of this iterator; give each task an "
                "iterable of its own, or let one task hand out the items"
            )
        self._busy = True
        try:
            if monotonic() - self._turn_began >= _TURN_SECONDS:
                await self._pause()
            elif self._at_once < _AT_ONCE:
                self._at_once *= 2
            while not self.over:
                self.items = islice(self._rest, self._at_once)
                for item in self.items:
                    return item
                items = self._step()
                if items is OVER:
                    self.end()
                elif items is not None:
                    self._rest = iter(items)
                elif self.course.begin is None:
                    await self._receive()
                else:
                    await self._begin_anew()
        finally:
            self._busy = False
        raise StopAsyncIteration

    async def _pause(self) -> None:
        """Give the loop's other tasks a turn."""
        self._at_once = max(self._at_once // 2, 1)
        await waiter_here().pause()
        self._turn_began = monotonic()

    async def _begin_anew(self) -> None:
        try:
            await off_loop(self.course.begin_anew)
        except Exception:
            self.end()
            raise

    def _step(self) -> Iterable[T] | None:
        try:
            return self.course.step()
        except BaseException:
            self.end()
            raise

    async def _receive(self) -> None:
        """Wait until something has arrived: what `Session.receive` does."""
        session, this = self.course.session, self.course.this
        try:
            if session.receive_now(this):
                self._waits_since = None
            else:
                await self._wait()
        except (ChannelClosedError, ProtocolError) as error:
            await off_loop(partial(session.settle, error))
        else:
            if session.failure is not None:
                await off_loop(session.settle)

    async def _wait(self) -> None:
        session, this = self.course.session, self.course.this
        channel = session.worker.channel
        fd = self._ready_for(channel).fileno()
        waiter = waiter_here()
        this.waiter = ref(waiter)
        session.ledger.waits.begin()
        try:
            if this.ready:  # another thread has received it, before it could wake this task
                return
            # As `receive` of a channel: the worker is not asked at once.
            patience = channel.patience()
            if patience and await waiter.wait(fd, patience):
                return
            left = self._seconds_left()
            if channel.congested() and (left is None or left > _CONGESTION_SECONDS):
                await waiter.wait(fd, _CONGESTION_SECONDS)
                return
            channel.ask(True)
            try:
                came = await waiter.wait(fd, left)
            finally:
                channel.ask(False)
        finally:
            this.waiter = None
            session.ledger.waits.end()
            self._turn_began = monotonic()
        if not came:
            await off_loop(partial(session.expire, this))

    def _ready_for(self, channel: ParentChannel) -> Readiness:
        if self._readiness is None or self._readiness[0] is not channel:
            self._readiness = channel, channel.readiness()
        return self._readiness[1]

    def _seconds_left(self) -> float | None:
        """Tell how long the next item may take.

        It counts from the first wait for it, also when that was cancelled.
        """
        timeout = self.course.session.limit
        if timeout is None:
            return None
        now = monotonic()
        if self._waits_since is None:
            self._waits_since = now
        return max(0.0, self._waits_since + timeout - now)
