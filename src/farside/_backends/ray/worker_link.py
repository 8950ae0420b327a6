"""The worker's side of the link: what calls of the actor return. `down_link` is what they bring.

Each call brings words down as it begins. Then it waits, and returns frames. Urgent ones go at once,
and items when there are many of them, or a moment after the call before has returned.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

from ..._link.control import COMMAND_CAME, PARENT_WAITS, begun_word
from ..._link.frames import Frame
from ..._memory.parts import Part, Ref, size
from ..._system.signals import with_lock
from ...errors import LinkClosedError
from .down_link import DownLink
from .messages import Reply, Words, beside
from .objects import Lent, Objects

REPLY_BYTES = 1 << 22
"""A call takes no further frame once its frames have reached this size. With a quarter of it,
arrays of 100 kB to 1 MB take twice the time, as each call and each object in Ray's store costs."""

_PAUSE_SECONDS = 0.002  # how long items wait for others to go with: a call costs some 0.2 ms
_REPORT_SECONDS = 0.2  # how often the parent is told that an input of a map runs, if it is timed
_BACKLOG_BYTES = 1 << 20  # while more than this waits, log records are not added

_NOBODY = "the parent does not receive any more"


class ActorLink(DownLink):
    """The worker's side of the link, which makes objects of large contents."""

    def __init__(self, objects: Objects) -> None:
        super().__init__()
        self.arena: Objects = objects
        self.begun = [0, 0, 0]
        self._told_running = False  # whether the last reply has told that an input runs
        self._attention = memoryview(bytearray(8))
        self.attention: Sequence[int] = self._attention.cast("Q")
        self.alerted = self.attention
        self._up: deque[tuple[Frame, Sequence[Part], int]] = deque()  # blocks: see `_make_object`
        self._waiting = 0  # bytes that wait
        self._turn = threading.Lock()  # one call waits at a time
        self._calls = 0  # how many wait here
        self._replies = 0
        self._replied = 0.0  # when the latest call returned
        self._retired = self._over = False
        self.done = threading.Event()  # the worker has ended, and nobody wants what it has sent

    def _take_words(self, before: Words) -> None:
        words, closed = self._words, self._words.closed > before.closed
        if closed or words.revoked > before.revoked:  # return lent items: the worker waits for that
            for frame, _, _ in self._up:
                revoked = frame.items and frame.epoch <= words.revoked
                if (closed or revoked) and isinstance(frame.blocks, Lent):
                    frame.blocks.give()  # the parent drops what is left of the frame
        if closed:  # nobody reads it
            self._up.clear()
            self._waiting = 0
            self._due.ring()
            self._look_whether_done()

    def take(self) -> Reply:
        """Wait until this call has to return, and make its reply."""
        called = monotonic()
        with self._lock:
            self._calls += 1
        with self._turn:
            while not self._is_due():
                pause = self._replied + _PAUSE_SECONDS - monotonic()
                if pause > 0:
                    self._due.wait(pause)
                    continue
                self._attention[PARENT_WAITS] = 1
                if not self._is_due():  # a frame may have come just before
                    self._due.wait(_REPORT_SECONDS)
                    if self.begun[1] or self._told_running:
                        break
            with self._lock:
                return self._reply(called)

    def _is_due(self) -> bool:
        if self._urgent or self._over or self._words.closed or self._waiting >= REPLY_BYTES:
            return True
        return bool(self._up) and monotonic() >= self._replied + _PAUSE_SECONDS

    def _reply(self, called: float) -> Reply:
        self._calls -= 1
        # Counted first: if frames are lost below for lack of memory, that must leave a gap.
        number, self._replies = self._replies, self._replies + 1
        frames, nbytes = [], 0
        # Reset first: what becomes urgent from now on is seen below, or by the next call.
        urgent, self._urgent = self._urgent, False
        large = False
        while self._up and nbytes < REPLY_BYTES and not large:
            frame, parts, length = self._up.popleft()
            made: Any = [] if frame.blocks == () else frame.blocks
            if isinstance(made, Lent):
                large, made = True, made.give()
            frames.append((frame.kind, frame.epoch, frame.items, beside(parts, length), made))
            nbytes += length
        self._waiting -= nbytes
        if urgent and self._up:
            self._urgent = True
        self._replied = monotonic()
        last = bool(self._words.closed) or (self._over and not self._up)
        self._look_whether_done()
        who = os.getpid(), os.uname().nodename
        held = self._replied - called
        waited, begun = self._waits.seconds(), self._begun()
        return Reply(number, frames, self._wish, waited, last, who, begun, held)

    def _begun(self) -> tuple[int, float | None]:
        """Return which input runs, and for how long, if inputs are timed."""
        # The number is read first: it must not be paired with the time of an earlier input.
        word, since = begun_word(self.begun), self.begun[1]
        self._told_running = bool(since)
        return (word, monotonic() - since / 1e9) if since else (0, None)

    def end(self) -> None:
        """Mark the worker as ended: it sends nothing more, and handles no commands."""
        self._over = True
        self._due.ring()
        self._hang_up()  # else the listener would keep this process, whose cluster may be gone
        self._look_whether_done()

    @property
    def abandoned(self) -> bool:
        """Whether the parent has closed the whole link, and user code has not ended."""
        return self._words.closed > 1 and not self._over

    def _look_whether_done(self) -> None:
        if self._over and (self._words.closed or not self._up):
            self.done.set()

    def send(
        self,
        kind: int,
        epoch: int,
        parts: Sequence[Part] = (),
        *,
        count: int = 0,
        refs: Sequence[Ref] = (),
        wait: bool = True,  # noqa: ARG002  credit limits how much waits
    ) -> bool:
        made: Any = self._make_object(refs) if refs else ()
        # An object fills a reply by itself: nothing is gained by waiting for others.
        self._add(Frame(kind, epoch, b"", count, made), parts, urgent=bool(refs) or not count)
        if isinstance(made, Lent):
            made.wait()  # the item may change as soon as this returns
        return True

    def _make_object(self, refs: Sequence[Ref]) -> Any:
        """Lend large contents to a call that waits, or make an object of them; return either."""
        contents = self.arena.take(refs)
        will_go = self._calls and self._waiting < REPLY_BYTES  # with a call that waits
        made = None if will_go else self.arena.put(contents)
        return Lent(contents) if made is None else made

    def post(self, kind: int, epoch: int, parts: Sequence[Part], patience: float) -> bool:
        deadline = monotonic() + patience
        while self._waiting > _BACKLOG_BYTES and not self._words.closed:
            if monotonic() >= deadline:
                raise BlockingIOError
            sleep(_PAUSE_SECONDS)
        self._add(Frame(kind, epoch, b"", 0), parts, urgent=False)
        return True

    def _add(self, frame: Frame, parts: Sequence[Part], *, urgent: bool) -> None:
        def add() -> None:
            if self._retired or self._over or self._words.closed:
                raise LinkClosedError(_NOBODY)
            length = size(parts)  # objects do not count, since they do not make a reply larger
            self._up.append((frame, parts, length))
            self._waiting += length
            self._urgent = self._urgent or urgent
            waited_for, self._attention[PARENT_WAITS] = self._attention[PARENT_WAITS], 0
            if waited_for or self._urgent or self._waiting >= REPLY_BYTES:
                self._due.ring()

        with_lock(self._lock, add)

    def flush(self) -> None:
        if self._words.closed:
            raise LinkClosedError(_NOBODY)

    def retire(self) -> None:
        self._retired = True

    def alert(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        self._attention[COMMAND_CAME] = on

    def parent_waits(self) -> bool:
        return self._attention[PARENT_WAITS] != 0
