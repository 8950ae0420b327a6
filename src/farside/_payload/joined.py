"""Pickles small items one by one, as they are yielded, into pieces of one pickle for the frame.

The items of a frame are one pickle of a list, which the parent reads at once. It is put together
from *pieces*, one for each item. A piece refers only to itself and to the *start* of the pickle:
keys of dictionaries, and names of attributes and classes, that several items share are pickled
there, once for the frame. Protocol 3 states the number by which later parts refer to an object, so
each piece may reuse the numbers of the piece before.

The parent reads all items of a frame before the loop takes them, but user code of an item must run
only when the loop takes that item. So only items without such code have pieces: plain values,
lists, tuples, dictionaries and sets of these, and objects of `plain_classes`. Everything else is
pickled by itself (`encoder`).
"""

from __future__ import annotations

import _pickle as pickle

from .._in_c import SimpleNamespace, partial
from .._memory.parts import BLOCK_BYTES, size
from . import handlers
from .plain_classes import plain_classes
from .true_parts import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_PROTOCOL = 3  # the latest that states the numbers of objects: later ones count the objects
HEAD = b"\x80\x03"  # what a pickle of this protocol begins with, and so each piece
_LIST, _END, _POP, _STOP = b"](", b"e.", b"0", b"."  # opcodes around pieces, and at their ends
_MISSES = 32  # after so many items in a row without a piece, the pass tries no more
_PATIENCE = 1000  # nor once so many more were pickled in vain, or sent apart, than together
_MISS = 4  # what an item without a piece counts as; a large one counts more, by its size
_LOOKED_AT = 8  # so many items of a pass are searched for what they share
_MOST_SHARED = 64
_LONGEST_SHARED = 100  # characters


class Joiner:
    """Pickles items to pieces, in one thread. Another thread may call `sent` meanwhile."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []  # of the piece
        self._sink: Any = SimpleNamespace(write=self._chunks.append)  # a file, as a pickler sees it
        self.begin()

    def begin(self) -> None:
        """Begin a pass, perhaps with items of other kinds. Earlier pieces are void from here on."""
        self.hopeful = True  # whether trying is worth while; once False, it stays so for the pass
        self._misses, self._to_look_at = 0, _LOOKED_AT
        # The thread that pickles writes the first of these, and the thread that sends the second.
        self._in_vain, self._apart = 0, 0
        self._seen: dict[int, Any] = {}  # by their ids, which are unique while the objects are here
        self._shared: dict[int, Any] = {}  # those that were seen in an earlier item too
        self.start = HEAD  # goes before the pieces of a frame; with one piece, it is a pickle
        self.ready = False  # whether it is known what `settle` is to put into the start
        self._memo: Any = None
        plain_classes.clear()  # copyreg may have more reducers by now
        # Whether there is no pickler yet, or it may have something left of an earlier item or pass.
        self._begun = True

    def piece(self, item: object) -> bytes | None:
        """Pickle an item as it is now; None if it has to be pickled by itself."""
        chunks = self._chunks
        if not self.hopeful:
            return None
        if self._begun:  # also if an exception has struck in the middle of an item
            self._renew()
        self._begun = True
        try:
            self._dump(item)
            if self._to_look_at:
                self._look_at([thing for _, thing in self._pickler.memo.copy().values()])
            self._forget()
        except BaseException as error:
            self._renew()
            if not is_a(error, Exception) or handlers.raised(error):
                raise
            self._miss()
            return None
        piece = chunks.pop()
        if chunks or len(piece) >= BLOCK_BYTES:  # large contents are chunks of their own
            nbytes = size(chunks) + len(piece)
            self._renew()  # a pickler keeps a buffer as large as it has needed
            self._miss(nbytes)
            return None
        self._begun = False
        self._misses = 0
        return piece

    def _miss(self, nbytes: int = 0) -> None:
        self._misses += 1
        self._in_vain += _MISS + (nbytes >> 9)
        self._look()

    def sent(self, *, together: int = 0, apart: int = 0) -> None:
        """Record how many items of a frame were joined, or how many pieces were sent apart."""
        self._apart = max(self._apart + apart - together, -self._in_vain)
        self._look()

    def _look(self) -> None:
        if self._misses >= _MISSES or self._in_vain + self._apart >= _PATIENCE:
            self.hopeful = False

    def _look_at(self, things: list[Any]) -> None:
        """Find what an earlier item had too, among the objects that a pickler has numbered."""
        mine = {
            id(thing): thing
            for thing in things
            if type(thing) is type or (type(thing) is str and len(thing) <= _LONGEST_SHARED)
        }
        self._shared.update([(key, mine[key]) for key in mine if key in self._seen])
        self._seen.update(mine)
        self._to_look_at -= 1
        if not self._to_look_at:
            self._seen.clear()
            self.ready = bool(self._shared)

    def settle(self) -> bool:
        """Put what items share into the start, if it is known by now; tell whether to go on.

        Earlier pieces are void from here on.
        """
        if not self.hopeful:
            self.start = b""  # no more pieces are made
            return False
        if not self.ready:
            return True
        self.ready, self._begun = False, True
        pickler = pickle.Pickler(self._sink, _PROTOCOL)
        pickler.dump([*self._shared.values()][:_MOST_SHARED])
        self.start = self._chunks.pop()[:-1] + _POP
        self._memo = pickler.memo  # it keeps the pickler, and that keeps what is shared
        return True

    def _renew(self) -> None:
        """Make a new pickler. If an exception strikes meanwhile, the next item makes another."""
        self._chunks.clear()
        pickler: Any = pickle.Pickler(self._sink, _PROTOCOL)
        pickler.dispatch_table = plain_classes
        forget = pickler.clear_memo
        if self._memo is not None:
            pickler.memo = self._memo
            forget = partial(setattr, pickler, "memo", self._memo)
        self._pickler, self._dump, self._forget = pickler, pickler.dump, forget
        self._begun = False  # last


def piece_of(item: object) -> bytes:
    """Return a piece of an item that refers to no start; raise if the item has none."""
    pieces: list[bytes] = []
    pickler = pickle.Pickler(SimpleNamespace(write=pieces.append), _PROTOCOL)
    pickler.dispatch_table = plain_classes
    pickler.dump(item)
    return b"".join(pieces)


def with_pieces_of_copies(entries: Sequence[Any]) -> list[bytes]:
    """Return the pieces among entries, and pieces of the atoms and copies (see `plain`) among them.

    The latter number no objects, so they do not overwrite the numbers of the start.
    """
    pieces: list[bytes] = []
    add = pieces.append
    pickler = pickle.Pickler(SimpleNamespace(write=add), _PROTOCOL)
    pickler.fast = True
    dump = pickler.dump
    for entry in entries:
        if type(entry) is bytes:
            add(entry)
        else:
            dump(entry)
    return pieces


def join(start: bytes, pieces: Sequence[bytes]) -> list[bytes]:
    """Return the parts of a pickle of all items."""
    return [start, _LIST, b"".join([piece[:-1] for piece in pieces]), _END]


def split(stream: memoryview) -> tuple[list[Any], bool]:
    """Return the items of a pickle and True; or a pickle of each, and False, if reading fails.

    It fails if this side cannot import a class, for example. With its own pickle, each item then
    loads or fails by itself.
    """
    try:
        return pickle.loads(stream), True
    except Exception as error:
        if handlers.raised(error):
            raise
        pickles = _apart(bytes(stream))
        if not pickles:
            raise
    return pickles, False


def _apart(stream: bytes) -> list[bytes]:
    """Return a pickle of each item; an empty list if this is no pickle of pieces."""
    import io
    from pickletools import opcodes  # hardly ever needed

    operations = {each.code: each for each in opcodes}
    file, at = io.BytesIO(stream), []
    try:
        while (code := file.read(1)) != _STOP:
            operation = operations[code.decode("latin-1")]
            if operation.name == "PROTO":
                at.append(file.tell() - 1)
            if operation.name == "GLOBAL":
                file.readline(), file.readline()  # its own reader refuses names that are not ASCII
            elif operation.arg is not None:
                operation.arg.reader(file)
    except (ValueError, KeyError):
        return []
    del at[:1]  # the first is at the beginning of the start, the others at that of each piece
    if not at:
        return []
    start, ends = stream[: at[0] - len(_LIST)], [*at[1:], len(stream) - len(_END)]
    return [start + stream[begin:end] + _STOP for begin, end in zip(at, ends, strict=True)]
