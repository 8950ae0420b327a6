"""Takes the inputs of a map from the user's iterator, and pickles them for the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count, islice
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..._memory.recycled import Recycled
from ..._payload import handlers
from ..._payload.encoder import Encoder
from ..._payload.items import Stored
from ..._payload.plain import ADD_COPY, ATOM_BYTES, ATOMS, INT_LIMIT, STR_LIMIT
from ..._payload.rows import Rows, dict_of
from ..._protocol.order import BEGIN, Place
from ..._worker.iterables import resumable
from .. import not_sent
from . import own_iterators

if TYPE_CHECKING:
    from ..._payload.row_code import Keys

TAKE_SECONDS = 0.001  # after so long, the inputs taken so far go to the workers, however few
_MOST_KEPT, _MOST_KEPT_BYTES = 256, 1 << 27  # how much memory for large contents is kept
STEADY, _MOST_QUICK = 6, 12
"""When inputs came at once `STEADY` times in a row, the next ones are expected to. They are taken
together, each time twice as many, and `1 << _MOST_QUICK` at most. Until then, an input is sent
before the next one is taken, since the iterator may wait for the result of the first."""


class Supply:
    """Takes inputs from an iterator.

    Each input is pickled as it is taken, so later changes to it have no effect. `begin` is called
    when the first input is wanted, and returns the iterator, or a range. Inputs that are done at
    the `place` where the pass begins are taken and dropped. `checks` has functions for some inputs:
    each is called with its input before that is used, and may raise an exception.
    """

    # Whether the next input is expected at once. If not, the inputs taken so far are sent first,
    # since nobody knows how long the iterator takes over the next.
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
        self.read = dict(place.begun)  # for flat inputs: how many of their results the loop has
        self.ended = False
        self._items: Any = iter(())
        self._quick = 0  # how many times in a row inputs came at once
        self._copies = {**ADD_COPY}
        self._rows = Rows(self._copies, allowed=True)
        self._counted = 0  # bytes of the inputs that were no rows, as `Rows.settle` needs them
        # The keys of the dictionaries for which the entries that were taken last stand. Ranges and
        # tuples of entries hold no dictionaries, and none come after lists of entries.
        self.keys: Keys | None = None
        self.taken = 0  # how many inputs were taken, which is the index of the next one
        self.error: BaseException | None = None  # of the iterator, if that has ended it
        # The error of the input after those that were taken last, if it cannot be pickled. Whoever
        # handles the error sets this to None.
        self.refused: BaseException | None = None

    def _end(self) -> None:
        self.ended, self.error = True, self._too_few()

    def _too_few(self) -> ValueError | None:
        """Return an error if a loaded state names more inputs than have come."""
        end = self.place.end
        return ValueError(TOO_FEW.format(end, self.taken)) if end > self.taken else None

    def _open(self, begin: Callable[[], Any]) -> None:
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
        """Yield the inputs in parts, of which `map` checks some: it calls the checks in C."""
        at = 0
        for number, check in sorted(self._checks.items()):
            yield islice(items, number - at)
            yield map(check, islice(items, 1))
            at = number + 1
        yield items

    def release(self) -> None:
        """Release the iterator now, rather than when another pass begins: it may hold files."""
        self.ended, self._begin, self.error = True, None, None
        self._recycled.forget()
        self._items = iter(())

    def pass_over(self) -> int:
        """Take and drop the inputs that come next, if they are done already; return how many."""
        before, begin, self._begin = self.taken, self._begin, None
        if begin is not None:
            self._open(begin)
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
        """Return how many inputs may be taken together, from one of this `number` on.

        Only the first may have been begun, and none may be done.
        """
        stops = [*[first for first, _ in self._done], *self.read]
        return min([most, *[stop - number for stop in stops if stop > number]])

    def take(self, most: int, nbytes: int) -> tuple[Sequence[Any], int]:
        """Take inputs, `most` at most, until they have `nbytes`. Call `pass_over` before.

        Return their entries (see `_payload.items`), and about how many bytes they have. The entries
        are a range if the inputs are one. If they are a tuple, all are atoms.
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
            # They have to be pickled, and a million pickles at once would be too many.
            self._items, self._quick = chain(entries, self._items), _MOST_QUICK
        begun = monotonic()
        at_once = 1 << self._quick if self._quick >= STEADY else 1
        taken, size = self._take_each(min(most, at_once), nbytes, begun + TAKE_SECONDS)
        # A run ends after TAKE_SECONDS. Any time beyond that was taken by its last input.
        quick = monotonic() - begun < (TAKE_SECONDS if at_once == 1 else 2 * TAKE_SECONDS)
        self._quick = min(self._quick + 1, _MOST_QUICK) if quick else 0
        self.steady = self._quick >= STEADY
        return self._without_rows(taken), size

    def _without_rows(self, entries: list[Any]) -> list[Any]:
        """Return entries without rows, unless all are: then set `keys`."""
        rows, kinds = self._rows, set(map(type, entries))
        self.keys = rows.keys if kinds == {tuple} else None
        if self.keys is None:
            entries = rows.take_in(entries, kinds, b"")
        rows.settle(self._counted)
        return entries

    def first_of(self, entries: Sequence[Any]) -> Any:
        """Return the first of the entries that were taken last, as one that is no row."""
        return entries[0] if self.keys is None else dict_of(self.keys, entries[0])

    def _take_part(self, most: int) -> range:
        items: range = self._items
        part, self._items = items[:most], items[most:]
        self.taken += len(part)
        if len(part) < most:
            self._end()
        return part

    def _take_each(self, most: int, nbytes: int, until: float = inf) -> tuple[list[Any], int]:
        entries: list[Any] = []
        add, low, high = entries.append, -INT_LIMIT, INT_LIMIT
        row, add_row = self._rows.kind, self._rows.add
        total, most, over, refused = 0, min(most, 1 + nbytes // ATOM_BYTES), False, False
        try:
            for item in islice(self._items, most):
                kind: type | None = type(item)
                small = kind is int and (-(1 << 29) < item < 1 << 29 or low < item < high)
                if small or kind in ATOMS:
                    add(item)
                else:
                    refused = True
                    total += (kind is row and add_row(item, entries)) or self._add(item, entries)
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
        """Add a string, or a copy or the pickle of another input as it is now; return its size."""
        if type(item) is str and len(item) < STR_LIMIT:
            entries.append(item)
            return len(item)
        add_copy = self._copies.get(type(item))
        if add_copy is None or not (nbytes := add_copy(item, entries)):
            entry: Any = self._encoder.encode(item)
            entries.append(entry)
            nbytes = entry.nbytes if type(entry) is Stored else len(entry)
        self._counted += nbytes
        return nbytes


TOO_FEW = (
    "the state that was loaded is of a pass in which {} inputs or more were done, and items has "
    "{}; pass the items that it was made with"
)
