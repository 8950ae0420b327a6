"""Small items: each is pickled when it is yielded, and the parent reads those of a frame at once.

A frame's items are one pickle: of a list. It is put together of *pieces*, one for each item. What
a piece refers to is in itself, or in the *start* of the pickle: the keys of dictionaries, names of
attributes and classes that items share are pickled there, once for the frame. Protocol 3 says of
each object by which number later parts refer to it. So a piece may use the numbers of the one
before again.

No code of the user's runs while the parent reads all items: that of an item must run when the loop
takes it. So there are pieces of plain values, of lists, tuples, dictionaries and sets of these, and
of objects of `plain_classes`. Everything else is pickled by itself (`encoder`).
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

_PROTOCOL = 3  # the latest with numbers: those after it count the objects
HEAD = b"\x80\x03"  # what a pickle of this protocol begins with, and so each piece
_LIST, _END, _POP, _STOP = b"](", b"e.", b"0", b"."  # around the pieces, and at the end of each
_MISSES = 32  # after so many items in a row that have no piece, no more of the pass are tried
_PATIENCE = 1000  # nor once so many more were pickled in vain, or sent apart, than together
_MISS = 4  # what an item that has no piece counts as; one that is too large, more: by its size
_LOOKED_AT = 8  # so many items of a pass are looked at for what they share
_MOST_SHARED = 64
_LONGEST_SHARED = 100  # characters


class Joiner:
    """Pickles items to pieces. One thread does so; another may call `sent` meanwhile."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []  # of the piece
        self._sink: Any = SimpleNamespace(write=self._chunks.append)  # a file, as a pickler sees it
        self.begin()

    def begin(self) -> None:
        """Begin a pass: other items may come. No piece from before may come after that."""
        self.hopeful = True  # whether it is worth while to try; not again in a pass
        self._misses, self._to_look_at = 0, _LOOKED_AT
        # Each is written by one thread at a time: that which pickles, and that which sends.
        self._in_vain, self._apart = 0, 0
        self._seen: dict[int, Any] = {}  # by their ids, which nothing else has while they are here
        self._shared: dict[int, Any] = {}  # those that were seen in an item before
        self.start = HEAD  # what is before the pieces of a frame; with one, that item's pickle
        self.ready = False  # whether that is known which `settle` puts there
        self._memo: Any = None
        plain_classes.clear()  # copyreg may know of more by now
        # Whether the pickler may have something left of an item; or of the pass before, or is none.
        self._begun = True

    def piece(self, item: object) -> bytes | None:
        """Pickle an item, as it is now; None: it has to be pickled by itself."""
        chunks = self._chunks
        if not self.hopeful:
            return None
        if self._begun:  # or an exception has struck in the middle of an item
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
        self._begun = False
        if chunks or len(piece) >= BLOCK_BYTES:  # large contents are chunks of their own
            nbytes = size(chunks) + len(piece)
            self._renew()  # a pickler keeps a buffer as large as it has needed
            self._miss(nbytes)
            return None
        self._misses = 0
        return piece

    def _miss(self, nbytes: int = 0) -> None:
        self._misses += 1
        self._in_vain += _MISS + (nbytes >> 9)
        self._look()

    def sent(self, *, together: int = 0, apart: int = 0) -> None:
        """Take in how many items a frame has that were joined, or how many that could have been."""
        self._apart = max(self._apart + apart - together, -self._in_vain)
        self._look()

    def _look(self) -> None:
        if self._misses >= _MISSES or self._in_vain + self._apart >= _PATIENCE:
            self.hopeful = False

    def _look_at(self, things: list[Any]) -> None:
        """Look for what was in an item before, too."""
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
        """Put what items share into the start, if that is known by now; tell whether to go on.

        No piece from before may come after that.
        """
        if not self.ready:
            return self.hopeful
        self.ready, self._begun = False, True
        self._chunks.clear()
        pickler = pickle.Pickler(self._sink, _PROTOCOL)
        pickler.dump([*self._shared.values()][:_MOST_SHARED])
        self.start = self._chunks.pop()[:-1] + _POP
        self._memo = pickler.memo  # it keeps the pickler, and that keeps what is shared
        self._renew()
        return self.hopeful

    def _renew(self) -> None:
        """Take a new pickler. If an exception strikes in the middle, the next item does so."""
        self._begun = True
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
    """Return the piece of an item, which refers to no start; raise an exception if it has none."""
    pieces: list[bytes] = []
    pickler = pickle.Pickler(SimpleNamespace(write=pieces.append), _PROTOCOL)
    pickler.dispatch_table = plain_classes
    pickler.dump(item)
    return b"".join(pieces)


def with_pieces_of_copies(entries: Sequence[Any]) -> list[bytes]:
    """Return the pieces among entries, and those of atoms and of copies (see `plain`) between them.

    These give nothing a number: those of the start are not their own.
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
    """Return the items of a pickle; or a pickle for each, where they cannot be read at once.

    That is so where this side cannot import a class, for example: an item is then as good or as
    bad as it would be alone. The second value tells which they are.
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
    """Return a pickle for each item; none if it is no pickle of pieces."""
    import io
    from pickletools import opcodes  # hardly ever

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
    del at[:1]  # the start begins with one, and each piece
    if not at:
        return []
    start, ends = stream[: at[0] - len(_LIST)], [*at[1:], len(stream) - len(_END)]
    return [start + stream[begin:end] + _STOP for begin, end in zip(at, ends, strict=True)]
