"""Takes the inputs of a map from an async iterator of the user's."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from time import monotonic
from typing import Any, NamedTuple

from ..._payload.true_parts import is_a
from ..._protocol.order import BEGIN, Place
from ..._worker.iterables import Dropped
from ..event_loops import Waiter, waiter_here
from .supply import STEADY, TAKE_SECONDS, Supply

_PATIENCE = 1.0  # seconds for a cancelled task to end, before the next pass uses the iterator

_CANCELLED = (
    "the task that awaits the inputs was cancelled, so the pass cannot go on; cancel the task of "
    "the loop alone, or begin a new pass"
)
_LEFT = (
    "the inputs are awaited on the event loop on which the pass was begun, and that does not run "
    "any more, so the pass cannot go on; begin a new pass"
)


class _Input(NamedTuple):
    """An input that the iterator has returned."""

    entry: Any = None
    nbytes: int = 0
    refused: BaseException | None = None


_DONE = _Input()  # an input that was already done when the pass was resumed


class AsyncSupply(Supply):
    """Takes inputs from an async iterator, in a task beside that of the loop.

    `take` cannot wait: it returns inputs that are ready, or sets `wanted` if there are none. Then
    the task awaits more in `feed`, and wakes the loop, which calls `take` again. So the loop gets
    results while an input is awaited, and cancelling the loop's task does not cancel that input.

    Passes over the same inputs share the list `asking`. It has the one whose task asks for inputs.
    """

    def __init__(
        self,
        begin: Callable[[], Any],
        place: Place = BEGIN,
        *,
        asking: list[AsyncSupply] | None = None,
        given: object = None,
        **options: Any,
    ) -> None:
        super().__init__(begin, place, **options)
        self._given = given  # the user's `items`, which is not closed here
        self._asking: list[AsyncSupply] = [] if asking is None else asking
        self.follower: Waiter | None = None  # of the next pass's task, if it waits for this one
        self._iterator: AsyncIterator[Any] | None = None
        self._ready: deque[_Input] = deque()
        self._over = False
        self._error: BaseException | None = None
        self.wanted = 0  # how many inputs the task is to await
        self._idle: Waiter | None = None  # of the task, while nothing is wanted
        self._settling: Waiter | None = None  # of the loop, while quick inputs come
        self._cancel: Callable[[], object] | None = None  # ends the task
        self._home: Waiter | None = None  # on the event loop of the task
        self._tell: Callable[[], object] = lambda: None  # wakes the loop over the results

    @property
    def has_come(self) -> bool:
        """Whether `take` would return an input, or find an error or the end."""
        return bool(self._ready) or self._over

    def begin(self, tell: Callable[[], object]) -> None:
        """Begin the task, once, on the event loop of this thread; `tell` wakes the pass's loop."""
        if self._home is None:
            try:
                self._home, self._tell = waiter_here(), tell
                self._cancel = self._home.begin(self._run, self._close, self._take_end)
            except BaseException as error:  # of a signal handler: there may be no task
                self._over, self._error = True, error
                raise
        elif not (self._over or self._home.runs):
            self.stop()
            self._error = RuntimeError(_LEFT)

    async def _run(self) -> None:
        cancelled = waiter_here().cancelled
        try:
            await self._until_alone()
            while not self._over:
                if self.wanted:
                    await self.feed()
                else:
                    await self._until_wanted()
        except BaseException as error:  # of the iterator, for the most part
            if not (self._over or is_a(error, cancelled)):
                self._over, self._error = True, error
            raise

    async def _close(self) -> None:
        """Close an async generator, but not the user's own: a later pass may continue that."""
        # If it were only dropped, the event loop would close it some time later, or, on trio, with
        # a ResourceWarning and without being able to await anything.
        iterator, self._iterator = self._iterator, None
        if iterator is not self._given and isinstance(iterator, AsyncGenerator):  # no stream
            self._pass_on()  # closing may take long, and nobody else uses this iterator
            try:
                await iterator.aclose()
            except Exception as error:
                Dropped(error)

    def _take_end(self) -> None:
        """Handle the end of the task, which may not even have begun to run."""
        if not self._over:  # it was cancelled, and not by `stop`
            self._over, self._error = True, RuntimeError(_CANCELLED)
        self._cancel = None
        self._pass_on()

    def _pass_on(self) -> None:
        """Wake the loop, and the task of the next pass."""
        self._tell()
        if self in self._asking:
            self._asking.remove(self)
        if self.follower is not None:
            self.follower.wake()

    async def _until_alone(self) -> None:
        """Wait until the cancelled task of the pass before ends: both may share an iterator."""
        for before in self._asking[:1]:  # a copy: it may end just now, in another thread
            before.follower = waiter = waiter_here()
            await waiter.wait(seconds=_PATIENCE)
        self._asking[:] = [self]

    async def _until_wanted(self) -> None:
        self._idle = waiter_here()
        try:
            if not self.wanted:
                await self._idle.wait()
        finally:
            self._idle = None

    async def settle(self) -> None:
        """If inputs come fast, wait a moment for more, since a step for each would cost more."""
        if self._ready and self.wanted and self._quick >= STEADY and not self._over:
            self._settling = waiter_here()
            try:
                await self._settling.wait(seconds=TAKE_SECONDS)
            finally:
                self._settling = None

    async def feed(self) -> None:
        """Await as many inputs as are wanted, but not for long, since they have yet to be sent."""
        # As in `Supply.take`, until inputs come at once, each is sent before the next one is
        # awaited.
        begun = now = monotonic()
        steady = self._quick >= STEADY
        while self.wanted and not self._over:
            try:
                if self._iterator is None:
                    assert self._begin is not None
                    self._iterator = self._begin()
                item = await self._iterator.__anext__()
                if self.taken in self._checks:
                    self._checks[self.taken](item)
            except StopAsyncIteration:
                self._over, self._error = True, self._too_few()
            else:
                self._add_input(item)
                if len(self._ready) == 1:
                    self._tell()
                self.wanted -= 1
                before, now = now, monotonic()
                self._quick = self._quick + 1 if now - before < TAKE_SECONDS else 0
                if not (steady and self._quick and now - begun < TAKE_SECONDS):
                    break
        self.wanted = 0
        if self._settling is not None:
            self._settling.wake()

    def _add_input(self, item: Any) -> None:
        number, waiting = self.taken, len(self._ready)
        try:
            self._ready.append(self._made(item))
        except BaseException as error:  # of a signal handler: the input is lost, so the pass fails
            self.taken, self.refused = number + len(self._ready) - waiting, None
            self._over, self._error = True, error
            raise

    def _made(self, item: Any) -> _Input:
        while self._done and self._done[0][1] <= self.taken:
            self._done.popleft()
        if self._done and self._done[0][0] <= self.taken:
            self.taken += 1
            return _DONE
        self._items = iter((item,))
        entries, nbytes = self._take_each(1, 1)  # pickled now, as the user may change it later
        if self.error is not None:  # of a signal handler: it counts as raised by `self._items`
            error, self.error, self.ended = self.error, None, False
            raise error
        refused, self.refused = self.refused, None
        return _Input(entries[0] if entries else None, nbytes, refused)

    def stop(self) -> None:
        """Cancel the task, as the pass takes no more inputs. In any thread."""
        self._over = True  # ends the task even if the iterator suppresses the cancellation
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()

    def release(self) -> None:
        super().release()
        self.stop()
        self._error = None
        if self._home is None or not self._home.runs:  # else the task closes it
            self._iterator = None
        self._ready.clear()

    def pass_over(self) -> int:
        count = 0
        while self._ready and self._ready[0] is _DONE:
            self._ready.popleft()
            count += 1
        return count

    def take(self, most: int, nbytes: int) -> tuple[list[Any], int]:
        entries: list[Any] = []
        total, ready, number = 0, self._ready, self.taken - len(self._ready)
        most = self._limit(most, number)
        while ready and ready[0] is not _DONE and len(entries) < most and total < nbytes:
            if ready[0].refused is not None:
                self.refused = ready.popleft().refused
                break
            entry, size, _ = ready.popleft()
            entries.append(entry)
            total += size
        if not (entries or ready or self.refused):
            if self._over:
                self.ended, self.error = True, self._error
            else:
                self.wanted = most
                if self._idle is not None:
                    self._idle.wake()
        return entries, total
