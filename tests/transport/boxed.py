"""An outbox for tests, where its frames go, and the memory that they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farside._transport.credit import Window
from farside._transport.frames import MAX_REFS, Frame
from farside._transport.items import all_atoms, decode, unpack
from farside._transport.outbox import Outbox
from tests.transport.blocks_of import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from farside._transport.arena import Arena
    from farside._transport.codec import Part
    from farside._transport.frames import Ref

KIND, EPOCH = 21, 5


class Sink:
    """As much of a channel as an outbox needs: it keeps what is sent."""

    def __init__(self, arena: Arena | None) -> None:
        self.arena = arena
        self.frames: list[tuple[Frame, Sequence[Ref]]] = []
        self.before: Callable[[], object] = list
        """Called while a frame is on its way: its bytes are not read yet."""

    def send(
        self, kind: int, epoch: int, parts: Sequence[Part], *, count: int, refs: Sequence[Ref]
    ) -> None:
        self.before()
        self.frames.append((Frame(kind, epoch, b"".join(parts), count), refs))


class Boxed:
    """An outbox, where its frames go, and the memory that they refer to."""

    def __init__(self, nbytes: int = 1 << 18, arena_bytes: int = 1 << 24) -> None:
        self.blocks = Blocks(arena_bytes)
        self.sink = Sink(self.blocks.arena)
        self.window = Window(None, nbytes)
        self.box = Outbox(self.sink, self.window, nbytes)  # type: ignore[arg-type]
        self.box.begin(KIND, EPOCH)

    def add(self, item: object) -> bool:
        """Add an item as the worker does; tell whether it is time to send."""
        if type(item) is int:
            self.box.entries.append(item)
            return self.box.is_full()
        return self.box.put(item)

    def got(self) -> list[Any]:
        """Return the items of all frames, whose blocks are not given back."""
        return [item for each in self.frames() for item in each]

    def frames(self) -> list[list[Any]]:
        """Return the items of each frame."""
        found = []
        for frame, refs in self.sink.frames:
            assert (frame.kind, frame.epoch) == (KIND, EPOCH)
            assert len(refs) <= MAX_REFS
            lent = [self.blocks.view(ref) for ref in refs]
            found.append([decode(entry, lent) for entry in unpack(frame)])
        return found

    def atoms(self) -> list[bool]:
        """Tell of each frame whether it has only atoms."""
        return [all_atoms(unpack(frame)) for frame, _ in self.sink.frames]

    def close(self) -> None:
        """Let go of the memory."""
        del self.box, self.sink
        self.blocks.close()
