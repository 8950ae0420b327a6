"""An outbox for tests, where its frames go, and the memory that they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farside._link.frames import MAX_REFS, Frame
from farside._payload.items import unpack
from farside._payload.plain import ATOMS
from farside._protocol.credit import Window
from farside._protocol.messages import Status
from farside._worker.outbox import Outbox
from tests.memory.blocks_of import Blocks
from tests.payload.ways import items_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from farside._memory.arena import Arena
    from farside._memory.parts import Part, Ref

EPOCH = 5


class Sink:
    """As much of a link as an outbox needs: it keeps what is sent."""

    def __init__(self, arena: Arena | None) -> None:
        self.arena = arena
        self.frames: list[tuple[Frame, Sequence[Ref]]] = []
        self.before: Callable[[], object] = list
        """Called while a frame is on its way: its bytes are not read yet."""
        self.alerts = self.soon = 0
        self.taken, self.waits = 0, False  # of the loop: how many items it has; whether it waits

    def parent_waits(self) -> bool:
        return self.waits

    def acknowledged(self, epoch: int) -> int:
        assert epoch == EPOCH
        return self.taken

    def flush(self) -> None:
        """Do nothing: all that is sent finds room."""

    def alert(self, on: bool) -> None:  # noqa: FBT001
        self.alerts += on

    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part],
        *,
        count: int,
        refs: Sequence[Ref],
        wait: bool,
    ) -> bool:
        assert wait  # so many items as the window says may wait, and they have room
        self.before()
        self.frames.append((Frame(kind, epoch, b"".join(parts), count), refs))
        return True

    def send_soon(self, kind: int, epoch: int, parts: Sequence[Part], **given: Any) -> bool:
        self.soon += 1
        return self.send(kind, epoch, parts, wait=True, **given)


class Boxed:
    """An outbox, where its frames go, and the memory that they refer to."""

    def __init__(self, nbytes: int = 1 << 18, arena_bytes: int = 1 << 24) -> None:
        self.blocks = Blocks(arena_bytes)
        self.sink = Sink(self.blocks.arena)
        self.window = Window(None, nbytes)
        self.box = Outbox(self.sink, self.window, nbytes)  # type: ignore[arg-type]
        self.box.begin(EPOCH)

    def add(self, item: object) -> bool:
        """Add an item as the worker does; tell whether it is time to send."""
        short = isinstance(item, str) and len(item) < self.box.short
        if type(item) is int or type(item) in ATOMS or short:
            self.box.entries.append(item)
            return self.box.is_full()
        if type(item) is self.box.rows.kind and self.box.rows.add(item, self.box.entries):
            return self.box.is_full()
        add_copy = self.box.copies.get(type(item))
        if add_copy is not None and (nbytes := add_copy(item, self.box.entries)):
            self.box.nbytes += nbytes
            return self.box.nbytes >= self.box.full
        return self.box.put(item)

    def got(self) -> list[Any]:
        """Return the items of all frames, whose blocks are not given back."""
        return [item for each in self.frames() for item in each]

    def frames(self) -> list[list[Any]]:
        """Return the items of each frame."""
        found = []
        for frame, refs in self.sink.frames:
            assert (frame.kind, frame.epoch) == (Status.ITERATOR_SUCCESS, EPOCH)
            assert len(refs) <= MAX_REFS
            lent = [self.blocks.view(ref) for ref in refs]
            found.append(items_in(frame, lent))
        return found

    def plain(self) -> list[bool]:
        """Tell of each frame whether its entries are the items."""
        return [unpack(frame).plain for frame, _ in self.sink.frames]

    def close(self) -> None:
        """Let go of the memory."""
        del self.box, self.sink
        self.blocks.close()
