"""The inputs of a map, as they come from the user's iterator, pickled for the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from time import monotonic
from typing import Any

from ..._memory.recycled import Recycled
from ..._payload import handlers
from ..._payload.encoder import Encoder
from ..._payload.items import Stored
from ..._payload.plain import ADD_COPY, ATOM_BYTES, ATOMS, INT_LIMIT, STR_LIMIT
from ..._protocol.order import BEGIN, Place
from ..._worker.iterables import resumable
from .. import not_sent
from . import own_iterators

TAKE_SECONDS = 0.001  # then the inputs that were taken go to the workers, however few they are
_MOST_KEPT, _MOST_KEPT_BYTES = 64, 1 << 27  # of pieces of memory for large contents
STEADY, _MOST_QUICK = 6, 10
"""When inputs came at once so many times in a row, the next ones are expected to. They are then
taken together, each time twice as many. Until then, an input is sent before the next one is taken:
the iterator may wait for the result of the first."""


class Supply:
    """Takes inputs from an iterator.

    Each is pickled as it is taken: what the iterator does with it later does not show. `begin`
    returns the iterator, or a range, when the first input is wanted. Inputs that are done at the
    `place` where the pass begins are taken and dropped. `checks` are called with some inputs before
    these are used, and may raise an exception.
    """

    # Whether the next input is expected to be there at once. Else those that were taken are sent
    # first: nobody knows how long the iterator takes over it.
    steady = True

    def __init__(
        self,
        begin: Callable[[], Any],
        place: Place = BEGIN,
        *,
        total: int | None = None,
        main_by_value: bool = False,
        checks: Mapping[int, Callable[[Any], Any]] | None = None,
    ) -> None:
        self.total = total
        self._begin: Callable[[], Any] | None = begin
        self._checks = checks or {}
        self._recycled = Recycled(_MOST_KEPT, _MOST_KEPT_BYTES)
        self._encoder = Encoder(None, main_by_value=main_by_value, recycled=self._recycled)
        self.place = place
        self._done = deque(place.ended)
        self.read = dict(place.begun)  # of flat inputs: how many of their results the loop has
        self.ended = False
        self._items: Any = iter(())
        self._quick = 0  # how many times in a row inputs were there at once
        self.taken = 0  # and so the index of the next one
        self.error: BaseException | None = None  # of the iterator, if that has ended it
        # Of the input after those that were taken last, if it cannot be pickled; who takes note of
        # it sets it to None.
        self.refused: BaseException | None = None

    def _end(self) -> None:
        self.ended, self.error = True, self._too_few()

    def _too_few(self) -> ValueError | None:
        """Return an error if a loaded state names inputs that have not come."""
        end = self.place.end
        return ValueError(TOO_FEW.format(end, self.taken)) if end > self.taken else None

    def _open(self) -> None:
        begin, self._begin = self._begin, None
        if begin is None:
            return
        try:
            items = begin()
        except Exception as error:
            self.ended, self.error = True, error
            return
        if self._checks:
            items = iter(items) if type(items) is range else items
            self._items = chain.from_iterable(self._checked(resumable(items)))
        else:
            same = type(items) is range or own_iterators.is_same(items)
            self._items = items if same else resumable(items)

    def _checked(self, items: Iterator[Any]) -> Iterator[Iterator[Any]]:
        """Yield parts of the inputs, such that C code calls the checks."""
        at = 0
        for number, check in sorted(self._checks.items()):
            yield islice(items, number - at)
            yield map(check, islice(items, 1))
            at = number + 1
        yield items

    def let_go(self) -> None:
        """Let go of the iterator: what is open in it ends now, and not when another pass begins."""
        self.ended, self._begin, self.error = True, None, None
        self._recycled.forget()
        self._items = iter(())

    def pass_over(self) -> int:
        """Take the inputs that come next and are done, and drop them; return how many."""
        before = self.taken
        self._open()
        while self._done and self._done[0][0] <= self.taken:
            self._drop(self._done.popleft()[1])
        return self.taken - before

    def _drop(self, end: int) -> None:
        if type(self._items) is range:
            self._take_part(end - self.taken)
            return
        counter = count(self.taken)
        try:
            deque(zip(islice(self._items, end - self.taken), counter), 0)  # noqa: B905
        except Exception as error:
            self.ended, self.error = True, error
        self.taken = next(counter)
        if self.taken < end and not self.ended:
            self._end()

    def _limit(self, most: int, number: int) -> int:
        """Return how many inputs may be taken together: only the first may have been begun."""
        stops = [*[first for first, _ in self._done], *self.read]
        return min([most, *[stop - number for stop in stops if stop > number]])

    def take(self, most: int, nbytes: int) -> tuple[Sequence[Any], int]:
        """Take inputs until they are so many or have so many bytes. `pass_over` was called before.

        Return their entries (see `items`), and about how many bytes they have. Those of a range
        cross as a range. A tuple has nothing but atoms.
        """
        if self._done or self.read:
            most = self._limit(most, self.taken)
        at_once = min(most, 1 + nbytes // STR_LIMIT)
        if type(self._items) is range:
            part = self._take_part(at_once)
            return part, ATOM_BYTES * len(part)
        if type(self._items) in own_iterators.IN_C:
            entries = tuple(islice(self._items, at_once))
            size = own_iterators.size_of_atoms(entries)
            if size is not None:
                self.taken += len(entries)
                if len(entries) < at_once:
                    self._end()
                return entries, size
            # Those of a million would be too many pickles at once.
            self._items, self._quick = chain(entries, self._items), _MOST_QUICK
        begun = monotonic()
        at_once = 1 << self._quick if self._quick >= STEADY else 1
        found = self._take_each(min(most, at_once), nbytes)
        # A run is over when it has taken so long; what comes on top of that is its last input.
        quick = monotonic() - begun < (TAKE_SECONDS if at_once == 1 else 2 * TAKE_SECONDS)
        self._quick = min(self._quick + 1, _MOST_QUICK) if quick else 0
        self.steady = self._quick >= STEADY
        return found

    def _take_part(self, most: int) -> range:
        items: range = self._items
        part, self._items = items[:most], items[most:]
        self.taken += len(part)
        if len(part) < most:
            self._end()
        return part

    def _take_each(self, most: int, nbytes: int) -> tuple[list[Any], int]:
        entries: list[Any] = []
        add, low, high = entries.append, -INT_LIMIT, INT_LIMIT
        total, until = 0, monotonic() + TAKE_SECONDS
        most, over, refused = min(most, 1 + nbytes // ATOM_BYTES), False, False
        try:
            for item in islice(self._items, most):
                kind: type | None = type(item)
                small = kind is int and (-(1 << 29) < item < 1 << 29 or low < item < high)
                if small or kind in ATOMS:
                    add(item)
                else:
                    refused = True
                    total += self._add(item, entries)
                    refused = False
                    if total >= nbytes:
                        break
                if monotonic() >= until:
                    break
                kind = None  # see `_worker.loops`
            else:
                over = len(entries) < most
        except Exception as error:
            if not refused:
                self.ended, self.error = True, error
            elif handlers.raised(error):
                raise
            else:
                self.refused = not_sent.of_input(item, self.taken + len(entries), error)
        finally:
            self.taken += len(entries) + refused
        if over:
            self._end()
        return entries, total + ATOM_BYTES * len(entries)

    def _add(self, item: Any, entries: list[Any]) -> int:
        """Add an input that is no number, as it is now; return its size."""
        if type(item) is str and len(item) < STR_LIMIT:
            entries.append(item)
            return len(item)
        add_copy = ADD_COPY.get(type(item))
        if add_copy is not None and (nbytes := add_copy(item, entries)):
            return nbytes
        entry = self._encoder.encode(item)
        entries.append(entry)
        return entry.nbytes if isinstance(entry, Stored) else len(entry)


TOO_FEW = (
    "the state that was loaded is of a pass in which {} inputs or more were done, and items has "
    "{}; pass the items that it was made with"
)
