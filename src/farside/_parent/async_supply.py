"""The inputs of a map, as they come from an async iterator of the user's."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from .._protocol.order import BEGIN, Place
from .supply import STEADY, TAKE_SECONDS, Supply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class _Input(NamedTuple):
    """An input that has come."""

    entry: Any = None
    nbytes: int = 0
    refused: BaseException | None = None


_DONE = _Input()
"""An input that was done before the pass began here."""


class AsyncSupply(Supply):
    """Takes inputs that the loop awaits.

    `take` cannot wait: it returns what has come, and sets `wanted`. The ``async for`` then awaits
    more by `feed`, and calls `take` again.

    Attributes:
        wanted: how many inputs `take` could have given beside those that have come.
    """

    def __init__(self, begin: Callable[[], Any], place: Place = BEGIN, **options: Any) -> None:
        super().__init__(begin, place, **options)
        self._iterator: AsyncIterator[Any] | None = None
        self._ready: deque[_Input] = deque()
        self._over = False
        self._error: BaseException | None = None
        self.wanted = 0

    async def feed(self) -> None:
        """Await as many inputs as are wanted, but not for long: results may have come meanwhile.

        As in `Supply.take`, it is one at a time until they come at once: it is sent before the next
        one is awaited.
        """
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
            except Exception as error:
                self._over, self._error = True, error
            except BaseException:  # the task is cancelled
                if getattr(self._iterator, "ag_frame", self) is None:
                    self._over, self._error = True, RuntimeError(_CANCELLED)
                raise
            else:
                self._add_input(item)
                self.wanted -= 1
                before, now = now, monotonic()
                self._quick = self._quick + 1 if now - before < TAKE_SECONDS else 0
                if not (steady and self._quick and now - begun < TAKE_SECONDS):
                    break
        self.wanted = 0

    def _add_input(self, item: Any) -> None:
        while self._done and self._done[0][1] <= self.taken:
            self._done.popleft()
        if self._done and self._done[0][0] <= self.taken:
            self.taken += 1
            self._ready.append(_DONE)
            return
        number, self._next = self.taken, iter((item,)).__next__
        try:
            entries, nbytes = self._take_each(1, 1)  # pickled now: the iterator may change it
        except BaseException as error:  # of a signal handler: the input is lost, and so the pass
            self.taken, self._over, self._error = number, True, error
            raise
        refused, self.refused = self.refused, None
        self._ready.append(_Input(entries[0] if entries else None, nbytes, refused))

    def let_go(self) -> None:
        super().let_go()
        self._iterator, self._over, self._error = None, True, None
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
                if not entries:
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
        return entries, total


_CANCELLED = (
    "items is an async generator, and was ended when a task was cancelled that waited for its next "
    "input, so the pass cannot go on; shield the generator, or begin a new pass"
)
