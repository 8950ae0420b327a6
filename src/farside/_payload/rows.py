"""Handles rows: small items that are like those before them, which makes them cost less.

Data sets have dictionaries with the same keys, or tuples with the same number of values. After
frames of such items, more are expected, and code is generated for just these, which checks their
values without a loop (`row_code`). In place of a dictionary, a tuple of its values waits, and the
keys cross only once for a whole frame. The other side has code that makes dictionaries from these
values. An item that is not like the others is handled like any other item (see `plain`).
"""

from __future__ import annotations

import _pickle as pickle
import copyreg
from io import BytesIO
from itertools import chain

from .._in_c import partial
from . import row_code
from .joined import HEAD
from .plain import ADD_COPY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .plain import AddCopy

_ENOUGH = 128  # after so many items in a row that are alike, more are expected
_STEP = 16  # one of so many items is looked at, and none in a smaller frame
_TRIES = 8  # after rows have ended so often in a pass, no more are expected


class Rows:
    """What the rows of a pass are like, if any are expected.

    The thread that makes items calls all methods; another thread may call `take_in` and `weigh`. An
    item whose type is `kind` is a row if `add` adds it to the entries. If `keys` is not None, each
    tuple among the entries stands for a dictionary. So real tuples are not copied then (see
    `plain`), and all of this changes only in `begin` and `settle`, while no entries wait.
    """

    def __init__(self, copies: dict[type, AddCopy], *, allowed: bool) -> None:
        self._copies = copies
        self._allowed = allowed
        self.begin()

    def begin(self) -> None:
        """Begin a pass, perhaps with items of other kinds. No entries wait."""
        self._tries = _TRIES if self._allowed else 0
        self._like: Any = None  # an item; those of the frames that were sent last are like it
        self._alike = 0  # how many items were like it
        self._to_end = False  # whether a frame had rows and others, or too many bytes
        self._counted = 0
        self._copies.update(ADD_COPY)
        self._end()

    def _end(self) -> None:
        self.kind: type = Rows  # no item is of this type
        self.add: row_code.Add = _add_nothing
        self.keys: row_code.Keys | None = None
        self.most_bytes = 0  # of a row
        if self._copies:
            self._copies.update(ADD_COPY)

    def take_in(self, entries: list[Any], kinds: set[type], start: bytes | None) -> list[Any]:
        """Look at the entries of a frame, which are of these types; return them without rows.

        This is not called if each entry stands for a dictionary. If entries are ``bytes``, `start`
        is that of their pieces (see `joined`), or empty if they are whole pickles.
        """
        if self.keys is not None and entries:
            self._to_end, keys = True, self.keys
            return [dict_of(keys, each) if type(each) is tuple else each for each in entries]
        if self.kind is Rows and self._tries and len(entries) >= _STEP:
            self._look_at(entries, start if len(kinds) == 1 else None)
        return entries

    def _look_at(self, entries: list[Any], start: bytes | None) -> None:
        """Check whether the items of a frame are alike, and like those of the frame before.

        Some of the pickled items are unpickled for this, since larger dictionaries are among them.
        That costs a sixth of making the frame, and mostly in vain, since most items are no rows. So
        none is unpickled after the first one that is unlike.
        """
        items = iter(entries[::_STEP])
        if type(entries[0]) is bytes and start is not None:
            items = map(partial(_read, start), items)
        first = next(items)
        like, self._like = self._like, None  # until all were looked at: a signal handler may raise
        if like is None or not row_code.is_like(first, like):
            like, self._alike = first, 0
        if row_code.may_be_row(first) and all(row_code.is_like(each, like) for each in items):
            self._like = like
        self._alike += len(entries)

    def weigh(self, count: int, nbytes: int) -> None:
        """End rows if a frame is too large: its strings may have characters of several bytes."""
        if nbytes > count * row_code.MAX_BYTES:
            self._to_end = True

    def settle(self, counted: int) -> None:
        """Begin or stop to expect rows, depending on what was sent since the last call.

        `counted` is a running total of bytes, of all items that are neither rows nor atoms.
        """
        counted_before, self._counted = self._counted, counted
        if self.kind is not Rows:
            if self._to_end or counted != counted_before:
                self._tries -= 1
                self._end()
        elif self._alike >= _ENOUGH and self._like is not None:
            like, self._like, self._alike = self._like, None, 0
            self._to_end = False
            self.kind, self.add = type(like), row_code.adder(like)
            if self.kind is dict:
                self.keys = tuple(like)
                self._copies.pop(tuple, None)
            self.most_bytes = row_code.most_bytes(self.keys)


def _add_nothing(item: Any, entries: list[Any]) -> int:  # noqa: ARG001  no item is of its type
    return 0


class _PlainReader(pickle.Unpickler):
    """Reads what has no classes in it: no code of the user's runs."""

    def find_class(self, *_: str) -> Any:
        raise pickle.UnpicklingError


def _read(start: bytes, piece: bytes) -> Any:
    """Return the item of a piece (see `joined`), or of a pickle, if it is a dictionary; else None.

    (Long lists and tuples are no rows, since the generated code would take too long.)
    """
    at = len(HEAD) if start else _AFTER_FRAME
    if piece[at : at + 1] != _DICT or _CODES:
        return None
    try:
        return _PlainReader(BytesIO(start + piece)).load()
    except pickle.UnpicklingError:
        return None


# The extension codes of `copyreg`, by class or function: `find_class` is not called for these.
_CODES: dict[Any, int] = copyreg._extension_registry  # type: ignore[attr-defined]  # noqa: SLF001
_DICT = b"}"  # what the pickle of a dictionary begins with
_AFTER_FRAME = 11  # where that is in a whole pickle: after its protocol, and the size of its frame


def dict_of(keys: row_code.Keys, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(keys, row))  # noqa: B905  same length; strict costs here


def dump(keys: row_code.Keys, rows: Iterable[tuple[Any, ...]]) -> bytes:
    """Pickle rows with these keys: the keys, and then the values of all."""
    return pickle.dumps((keys, list(chain.from_iterable(rows))), 5)


class Packed:
    """Rows that unpickle as a list of dictionaries."""

    def __init__(self, keys: row_code.Keys, rows: Iterable[tuple[Any, ...]]) -> None:
        self._stream = dump(keys, rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (self._stream,)


def load(stream: memoryview | bytes) -> list[dict[str, Any]]:
    """Return dictionaries, from the stream that `dump` has made of their rows."""
    keys, values = pickle.loads(stream)
    made = row_code.maker(keys)(values)
    if len(made) * len(keys) != len(values):
        raise ValueError(f"{len(values)} values for dictionaries of {len(keys)}")
    return made
