"""The form in which items cross: packs and unpacks the body of a frame of items.

The items of a frame cross together, as one pickled list of *entries*. An entry is

* the item itself, if it is an immutable atom, or a copy of it (see `plain`). Neither can change
  before it is pickled together with others;
* ``bytes``: the pickle of an item, taken when it was yielded;
* a tuple ``(stream, buffers)`` for an item with large contents. The stream is the pickle, and the
  buffers are what protocol 5 keeps out of it. In place of a stream there may be a form, which is a
  tuple (see `samples`); then the buffers are the contents of arrays. Each of these is the number of
  a block of the frame, or the contents themselves if the arena does not hold them. A tuple
  ``(place, sizes)`` among the buffers stands for several that follow each other in one place, as
  `parts` has it.

If each entry is the item itself or a copy, the body says so, and the parent need not look at each.
If the other entries are all pieces (see `joined`), the body is one pickle, of the list of the
items. If all items are dictionaries with the same keys, the body has the keys once, and then all
the values (see `rows`). In a frame with other entries, each copy and each piece becomes a pickle of
its own.

*Marks* stand between the items: the end of a shard, or an input of a map that has failed. They
cross before the entries, each with its place among them, and the frame counts them as items.
"""

from __future__ import annotations

import _pickle as pickle
from struct import Struct

from .._memory import parts as memory_parts
from .._memory.parts import ALIGN, Ref
from .._named_tuple import NamedTuple
from ..errors import ProtocolError
from . import joined, pickling, row_code, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from .._link.frames import Frame
    from .._memory.parts import Part

    Place: TypeAlias = "Ref | bytes | pickle.PickleBuffer"

ITEM_REFS = 100  # blocks that one item may have; if it has more buffers, several share a block


class Group(NamedTuple):
    """Buffers of one item that lie in one place, and the size of each."""

    place: Place
    sizes: list[int]


class Mark:
    """An entry that is no item: the end of a shard, or the fields of an input's `Failure`."""

    __slots__ = ("failure",)

    def __init__(self, failure: tuple[Any, ...] | None = None) -> None:
        self.failure = failure


class Stored:
    """An item with large contents, on its way into a frame."""

    __slots__ = ("arena_bytes", "nbytes", "places", "refs")

    def __init__(
        self,
        places: list[Any],
        nbytes: int,
        refs: Sequence[Ref] = (),
        arena_bytes: int = 0,
    ) -> None:
        self.places = places  # of the stream, or a form; then of the buffers: `Place` or `Group`
        self.nbytes = nbytes  # of all of these
        self.refs = refs  # the blocks of the arena among them
        self.arena_bytes = arena_bytes  # how many of the bytes are in these blocks


def pack(
    entries: list[Any], joiner: joined.Joiner | None = None, expected: rows.Rows | None = None
) -> tuple[list[Part], list[Ref]]:
    """Make the body of a frame from atoms, copies, and what `encoder.Encoder` returned for others.

    With a `joiner`, the ``bytes`` are its pieces, not pickles. If rows are `expected`, some entries
    may be rows. Returns the parts of the body, and the blocks that belong to the frame.
    """
    kinds = set(map(type, entries))
    if Mark in kinds:
        return _pack_with_marks(entries, joiner, expected)
    if expected is not None:
        if expected.keys is not None and kinds == _ROW:
            return [_ROWS + rows.dump(expected.keys, entries)], []
        found = expected.take_in(entries, kinds, None if joiner is None else joiner.start)
        if found is not entries:
            entries, kinds = found, set(map(type, found))
    if kinds.isdisjoint(_ENCODED):
        return [_PLAIN + pickle.dumps(entries, 5)], []
    if joiner is not None and Stored not in kinds:
        pieces = entries if len(kinds) == 1 else joined.with_pieces_of_copies(entries)
        joiner.sent(together=len(pieces))
        return [_JOINED, *joined.join(joiner.start, pieces)], []
    refs: list[Ref] = []
    if joiner is not None and bytes in kinds:
        joiner.sent(apart=len([None for each in entries if type(each) is bytes]))
        start = joiner.start
        entries = [start + each if type(each) is bytes else each for each in entries]
    return pickling.dumps_plain(_converted(entries, kinds, refs)), refs


def for_order(
    entries: Sequence[Any], keys: row_code.Keys | None
) -> tuple[bool, Sequence[Any] | rows.Packed]:
    """Turn the entries of inputs, which have no blocks and no marks, into what a worker is sent.

    Returns whether each entry is the input itself, and what to pickle for all of them. Only the
    entries of a list are looked at: those of a range are numbers, and those of a tuple are atoms.
    With `keys`, each entry stands for a dictionary (see `rows`).
    """
    if keys is not None:
        return True, rows.Packed(keys, entries)
    if type(entries) is not list:
        return True, entries
    kinds = set(map(type, entries))
    if kinds.isdisjoint(_ENCODED):
        return True, entries
    return False, _converted(entries, kinds, [])


def _converted(entries: list[Any], kinds: set[type], refs: list[Ref]) -> list[Any]:
    """Return what to pickle for entries of these kinds; add their blocks to `refs`."""
    if kinds.isdisjoint(_CONVERTED):
        return entries
    return [_number(each, refs) if type(each) is Stored else _convert(each) for each in entries]


def _pack_with_marks(
    entries: list[Any], joiner: joined.Joiner | None, expected: rows.Rows | None
) -> tuple[list[Part], list[Ref]]:
    marks: list[tuple[int, tuple[Any, ...] | None]] = []
    items: list[Any] = []
    for entry in entries:
        if type(entry) is Mark:
            marks.append((len(items), entry.failure))
        else:
            items.append(entry)
    head = b"".join(pickling.dumps_plain(marks))
    head += bytes(-(1 + _LENGTH.size + len(head)) % ALIGN)  # buffers after it stay aligned
    parts, refs = pack(items, joiner, expected)
    return [_MARKED + _LENGTH.pack(len(head)) + head, *parts], refs


def _convert(entry: Any) -> Any:
    return pickle.dumps(entry, 5) if type(entry) in _CONVERTED else entry


def _number(stored: Stored, refs: list[Ref]) -> bytes | tuple[Any, list[Any]]:
    if len(stored.places) == 1 and type(stored.places[0]) is bytes:
        return stored.places[0]
    places: list[Any] = []
    for each in stored.places:
        place: Any = each.place if type(each) is Group else each
        if type(place) is Ref:
            refs.append(place)
            place = len(refs) - 1
        places.append((place, each.sizes) if type(each) is Group else place)
    return places[0], places[1:]


class Opened(NamedTuple):
    """The contents of a frame of items."""

    entries: list[Any]
    marks: list[Any]  # each is the number of entries before it, and its failure
    plain: bool  # whether each entry is the item itself


def unpack(frame: Frame) -> Opened:
    """Open the body of a frame; raise ProtocolError if it is damaged, or the count is wrong."""
    marks, body = _split(frame)
    try:
        plain = body[:1] == _PLAIN
        if body[:1] == _ROWS:
            entries, plain = rows.load(memoryview(body)[1:]), True
        elif body[:1] == _JOINED:
            entries, plain = joined.split(memoryview(body)[1:])
        else:
            entries = pickle.loads(memoryview(body)[1:]) if plain else pickling.loads(body)
        count = len(entries) + len(marks)
    except Exception as error:
        raise _unreadable("items", error) from error
    if type(entries) is not list or count != frame.items:
        raise ProtocolError(f"a frame of {frame.items} items holds {count}")
    return Opened(entries, marks, plain)


def marks_of(frame: Frame) -> list[Any]:
    """Return the marks of a frame (see `Opened`), and open nothing else."""
    return _split(frame)[0]


def _split(frame: Frame) -> tuple[list[Any], pickling.Body]:
    """Return the marks, and the body without them."""
    body = frame.body
    if body[:1] != _MARKED:
        return [], body
    try:
        end = 1 + _LENGTH.size + _LENGTH.unpack_from(body, 1)[0]
        marks = pickling.loads(body[1 + _LENGTH.size : end])
        places = [0, *[place for place, _ in marks], frame.items - len(marks)]
        if {*map(type, places)} != {int} or places != sorted(places):
            raise ValueError("their places are in no order")
    except Exception as error:
        raise _unreadable("marks", error) from error
    return marks, body[end:]


def _unreadable(what: str, error: Exception) -> ProtocolError:
    """Return an error for a body that cannot be read; raise the original if it is a handler's.

    Reading a body runs only farside's own code. So if the traceback has a frame of other code, a
    signal handler has raised the error. (`handlers.raised` misses one that deletes its arguments.)
    """
    ours = [globals(), *[vars(each) for each in (joined, memory_parts, pickling, row_code, rows)]]
    trace = error.__traceback__
    while trace is not None:
        if True not in [trace.tb_frame.f_globals is each for each in ours]:
            raise error
        trace = trace.tb_next
    return ProtocolError(f"{what} that cannot be read: {error}")


_PLAIN, _JOINED, _ROWS, _MARKED = b"P", b"J", b"R", b"M"  # no other body begins with these
_LENGTH = Struct("<I")
_ROW = {tuple}  # the types of entries that stand for dictionaries
_ENCODED = frozenset({bytes, Stored})
_CONVERTED = frozenset({Stored, dict, list, tuple})
