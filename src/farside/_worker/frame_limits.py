"""How much a frame of items may have, so that no more waits for the parent than may.

Adding up the bytes of each number and each short text would cost more than the rest. So these are
not counted, nor are rows (see `rows`). Instead, a frame has only as many items as would fit into
the room if each of them took the most bytes that an item which is not counted can take. Texts are
not counted if they are *short*. The shorter that is, the more items a frame has; so it depends on
what the frame before had.
"""

from __future__ import annotations

from .._named_tuple import NamedTuple
from .._payload.plain import ATOM_BYTES, STR_LIMIT, WIDE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._protocol.credit import Window

BATCH_ITEMS, BATCH_NUMBERS = 1000, 4000  # in a frame, so that sending it takes less than making it
BATCH_BYTES = 1 << 15
"""A frame is sent when its pickles reach this size: half of what a Linux pipe holds by default, so
that the worker can write one frame while the parent reads another."""

_STORED_BYTES = 3 << 18
"""A frame is sent when its contents in the arena, which do not fill the pipe, reach this size. Each
has `BLOCK_BYTES` or more, so a frame has far fewer references to them than it may. So items of 1 MB
each have a frame: with two in a frame, the parent would wait for longer."""

_AROUND_TEXT = 7  # bytes that a pickle has beside those of a text
_LONG_TEXT = 250  # characters: of so many, the default budget has room for a whole batch


class Limits(NamedTuple):
    """The limits of a frame."""

    items: int
    short: int  # below so many characters, the bytes of a text are not counted
    nbytes: int  # of what is counted, without contents in the arena


class FrameLimits:
    """Limits the frames of a worker, of which `nbytes` bytes may wait in all."""

    def __init__(self, window: Window, nbytes: int) -> None:
        def short(most: int, share: int) -> int:
            return max(ATOM_BYTES, min(most, nbytes // share))

        self._window = window
        # The window opens while a quarter is free. Half of that is for what is counted, and half
        # for what is not.
        counted = min(BATCH_BYTES, 1 + nbytes // 8)
        self._first = Limits(BATCH_ITEMS, short(64, 1 << 14), counted)
        self._after_numbers = Limits(BATCH_NUMBERS, short(32, 1 << 14), counted)
        self._after_texts = Limits(BATCH_ITEMS, short(_LONG_TEXT, 1 << 12), counted)
        # Nearly all of the room is left for contents in the arena.
        self._after_stored = Limits(min(BATCH_ITEMS, 1 + nbytes // 4096), ATOM_BYTES, counted)
        # While the parent takes one half of what may wait in the arena, the worker fills the other.
        self._stored = min(_STORED_BYTES, 1 + nbytes // 2)
        self.begin()

    def begin(self) -> None:
        """Begin a pass."""
        self._present = self._next = self._first

    def sent(self, items: int, nbytes: int, *, stored: bool) -> None:
        """Note a frame that is sent, and whether it has contents in the arena. In any thread."""
        if stored:
            self._next = self._after_stored
        elif nbytes <= 2 * ATOM_BYTES * items:
            self._next = self._after_numbers
        else:
            texts = nbytes <= WIDE * STR_LIMIT * items
            self._next = self._after_texts if texts else self._first

    def follow(self, *, rows: bool) -> None:
        """Take the limits that follow from the frame before. They depend on whether it has rows."""
        self._present = self._first if rows else self._next

    def within_room(self, row_bytes: int, start_bytes: int) -> tuple[Limits, int]:
        """Return the limits of the frame that begins, and of its contents in the arena.

        A row takes `row_bytes` at most, and the start of a frame `start_bytes`.
        """
        limits, stored = self._present, self._stored
        if not self._window.by_bytes:
            return limits, stored
        most, short, counted = limits
        each = max(WIDE * (short - 1) + _AROUND_TEXT, row_bytes)  # if it is not counted, at most
        room = self._window.room - counted - start_bytes
        if most * each + stored <= room:  # mostly so: no new tuple is made
            return limits, stored
        most = max(1, min(most, room // each))
        return Limits(most, short, counted), max(1, min(stored, room - most * each))
