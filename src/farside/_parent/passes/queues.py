"""Opens the frames that have arrived from a worker, and takes out their entries for blocks.

A *block* holds the entries that the loop is given at a time. How far the loop has got follows from
how many of them are left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

from ..._payload.items import Opened, marks_of, unpack
from ..._protocol.inbox import nbytes_of
from ..._protocol.parent import ParentCore

SURPLUS = "a worker has sent more than it was asked for"  # a ProtocolError

Block: TypeAlias = tuple[list[Any], Any]
"""The entries that the loop is given at a time, and their source: one `Source`, or a list with one
for each entry, or None if each entry is the item itself and no worker has to know of it.
"""


class Source:
    """Where entries come from: a frame of a worker, and its shared memory.

    A source is `plain` if each entry is the item itself. With `each`, entries are acknowledged to
    the worker one by one, as the loop takes them.
    """

    __slots__ = ("blocks", "each", "index", "plain")

    def __init__(
        self, index: int, blocks: Sequence[memoryview] = (), *, plain: bool, each: bool
    ) -> None:
        self.index, self.blocks, self.plain, self.each = index, blocks, plain, each

    @property
    def needed(self) -> Source | None:
        """This source, for a `Block`; None if the entries can be taken without it."""
        return self if self.each or not self.plain else None


class Queue:
    """The entries and marks that were taken out of a worker's inbox and are in no block yet."""

    __slots__ = (
        "_plain", "acknowledged", "at", "before", "entries",
        "given", "index", "marks", "nbytes", "source", "taken",
    )  # fmt: skip

    def __init__(self, index: int, *, counting: bool) -> None:
        self.index = index
        self.entries: list[Any] = []  # of the open frame; those from `at` on are left
        self.at = 0
        # The marks left of that frame: the number of entries before each, and its failure.
        self.marks: deque[tuple[int, Any]] = deque()
        self.source = self._plain = Source(index, plain=True, each=counting)
        self.nbytes = 0  # of the open frame
        self.taken = 0  # how many entries and marks count as taken by the user
        # How many others are in the present block, which count once the loop asks for the next.
        self.given = 0
        self.acknowledged = 0  # how many of them the worker was told of
        self.before = 0  # how many of them had been taken when the present worker took over

    @property
    def run(self) -> int:
        """How many entries there are before the next mark."""
        return (self.marks[0][0] if self.marks else len(self.entries)) - self.at

    @property
    def waiting(self) -> int:
        """How many entries and marks are left. In any thread."""
        return max(0, len(self.entries) - self.at) + len(self.marks)

    @property
    def is_empty(self) -> bool:
        """Whether no entry and no mark is left. In any thread."""
        return self.at >= len(self.entries) and not self.marks

    def fill(self, core: ParentCore) -> bool:
        """Open frames until there is an entry or a mark; return False if nothing has arrived."""
        while self.is_empty:
            opened = self.open(core)
            if opened is None:
                return False
            self.at, self.entries = 0, opened.entries
            if opened.marks:
                self.marks.extend(opened.marks)
        return True

    def open(self, core: ParentCore) -> Opened | None:
        """Open the next frame, and make it the source; return None if there is none."""
        frames = core.inbox.frames
        if not frames:
            return None
        try:
            frame = frames.popleft()
        except IndexError:  # another thread has just left the pass
            return None
        opened, blocks = unpack(frame), frame.blocks
        self.nbytes = nbytes_of(frame)
        if opened.plain:  # and so without blocks
            self.source = self._plain
        else:
            each = self._plain.each or bool(blocks)
            self.source = Source(self.index, blocks, plain=False, each=each)
        return opened

    def take(self, count: int) -> list[Any]:
        """Take out the next `count` entries. There must be as many before the next mark."""
        at, entries = self.at, self.entries
        if not self.source.each:
            self.given += count
        if not at and count == len(entries) and not self.marks:
            self.entries = []
            return entries
        self.at = at + count
        return entries[at : self.at]

    @property
    def at_mark(self) -> bool:
        return bool(self.marks) and self.marks[0][0] == self.at

    def pass_mark(self) -> Any:
        """Take a mark out; return its failure."""
        if self._plain.each:  # then it is at the beginning of a block
            self.taken += 1
        else:
            self.given += 1
        return self.marks.popleft()[1]

    def end_block(self) -> None:
        """Count what is in the present block as taken."""
        self.taken += self.given
        self.given = 0

    def begin_successor(self, received: int) -> int:
        """Record that another worker takes over; return how many entries and marks wait.

        `received` is how many have arrived. Those that wait count as sent by the new worker.
        """
        self.end_block()
        self.before = self.acknowledged = self.taken
        return received - self.taken

    def clear(self) -> None:
        """Drop what is left."""
        self.entries = []
        self.at = 0
        self.marks.clear()
        self.source = self._plain  # a frame's own source would keep the memory of its items


def arrived(queue: Queue, frames: Sequence[Any]) -> list[tuple[int, bool]]:
    """Return the runs of items that have arrived from a worker and are in no block yet.

    For each run: how many items it has, and whether a mark ends it.
    """
    parts: list[tuple[Iterable[Any], int, int]] = [(queue.marks, queue.at, len(queue.entries))]
    for frame in frames:
        marks = marks_of(frame)
        parts.append((marks, 0, frame.items - len(marks)))
    found = []
    for marks_of_part, at, end in parts:
        for place, _ in marks_of_part:
            found.append((place - at, True))
            at = place  # noqa: PLW2901  the next run begins there
        if end > at:
            found.append((end - at, False))
    return found


def join(parts: list[tuple[list[Any], Any]]) -> Block:
    """Make one block of several; see `Block` for the sources of each."""
    if len(parts) == 1:
        return parts[0]
    entries = [*chain.from_iterable([taken for taken, _ in parts])]
    if True not in [source is not None for _, source in parts]:
        return entries, None
    sources: list[Any] = []
    for taken, source in parts:
        sources += source if type(source) is list else [source or PLAIN] * len(taken)
    return entries, sources


PLAIN = Source(0, plain=True, each=False)  # for items of which no worker has to know
