"""The parent's side of the link to an actor, whose calls carry the frames."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import count

from ..._link.base import Gauges, Link
from ..._link.frames import Frame
from ..._memory.parts import Part, size
from ..._memory.recycled import Recycled
from ..._payload.one_line import one_line
from ..._system.signals import defer_signals, with_lock
from ..._system.wakeup import Wakeup
from ...errors import LinkClosedError, ProtocolError
from .calls import PULLS, ActorCalls
from .heard import Heard, Way
from .messages import Command, Reply, Words, beside, joined

_CLOSED = "this side was closed"


class CallLink(Link):
    """The parent's side of the link. With `read_only`, large contents are not copied from Ray."""

    to_be_looked_at = True

    def __init__(self, calls: ActorCalls, *, read_only: bool = False) -> None:
        self._calls = calls
        self._read_only = read_only
        self._wakeup = Wakeup()
        self._pulls: list[Future[Reply]] = []
        self._replies: dict[int, Reply] = {}
        self._next = 0  # the number of the reply that is read next
        self._pushes, self._words = count(), count()
        self._revoked = self._state = 0
        self._heard, self._hearing = Heard(), threading.RLock()
        self._waited, self._way = 0.0, Way()
        self._buffers, self._in_step = Recycled(), True
        self._cut = ""  # an exception that has struck while a call was made
        self._last = self._gone = False  # the last reply was read; no call can be made
        self.who: tuple[int, str] | None = None  # the process of the worker, and its machine
        self.failure: BaseException | None = None  # why calls have failed
        self._pull_more()

    def _pull(self) -> None:
        if (future := self._calls.pull(self._tell())) is None:
            self._gone = True  # it has died, and perhaps no call is left that would report it
            self._wakeup.set()
            return
        self._pulls.append(future)
        called = self._way.set_out(started=self.who is not None)
        future.add_done_callback(partial(self._arrive, called))

    def _arrive(self, called: float, future: Future[Reply]) -> None:
        """Handle what cannot wait until somebody reads. This runs in a thread of Ray's."""
        if future.exception() is not None:
            self._wakeup.set()
            return
        reply = future.result()
        with_lock(self._hearing, partial(self._hear, reply, called))
        self._grant()
        # Any other reply is read after those before it, or was read just now. After a call that has
        # failed, no reply is read, and the reader looks whether all calls have returned.
        if reply.number == self._next or reply.last or self.failure is not None:
            self._wakeup.set()

    def _hear(self, reply: Reply, called: float) -> None:
        if True in [items > 0 for _, _, items, *_ in reply.frames]:
            self._way.arrive(called, reply.held)
        self._heard.hear(reply)

    def _push(self, commands: list[Command]) -> None:
        # Ctrl-C in between would leave a gap in the numbers, and the actor would wait for ever.
        push = self._calls.push
        defer_signals(lambda: self._whole(lambda: push(next(self._pushes), self._tell(), commands)))

    def _whole(self, work: Callable[[], object]) -> None:
        """Do work that loses a call if it is cut in two; the next `read` then raises an error."""
        try:
            work()
        except BaseException as error:  # as of the handler of a signal that is not deferred
            self._cut = f" ({one_line(error)})"
            self._wakeup.set()
            raise

    def _tell(self) -> Words:
        number = next(self._words)  # first: words with a higher number must not be older
        closed, heard = max(self._state, self.failure is not None), self._heard
        return Words(number, heard.epoch, heard.total, self._revoked, closed, heard.awaited)

    # Frames ---------------------------------------------------------------------------------

    def send(self, kind: int, epoch: int, parts: Sequence[Part] = ()) -> bool:
        if self._state > 1:
            raise LinkClosedError(_CLOSED)
        if self.failure is not None or self._last or self._gone or self._calls.lost():
            raise LinkClosedError("the worker is gone")
        self._push([(kind, epoch, beside(parts, size(parts)))])
        return True

    def read(self, into: deque[Frame]) -> bool:
        if self._state:
            raise LinkClosedError(_CLOSED)
        if self._cut or not self._in_step:  # as in `FrameReader`
            what = f"an exception of a signal handler, or want of memory,{self._cut}"
            when = "a call was made" if self._cut else "a reply was read"
            raise ProtocolError(f"{what} struck while {when}")
        self._in_step = False
        self._wakeup.clear()  # first: replies that arrive from now on set it
        frames, more = False, self._has_reply()
        if more:
            frames, more = self._read_next(into), self._has_reply()
        self._in_step = True
        over = self._is_over()
        if more or over:
            self._wakeup.set()
        if over and not (frames or more):
            raise LinkClosedError("the worker has ended")
        return frames

    def _read_next(self, into: deque[Frame]) -> bool:
        reply = self._replies.pop(self._next)
        self._next += 1
        into.extend(
            Frame(kind, epoch, joined(parts, self._buffers), items, self._blocks(contents))
            for kind, epoch, items, parts, contents in reply.frames
        )
        self.who, self._waited = reply.who, reply.waited
        if reply.last:  # later replies have no frames
            self._last = True
            self._pulls.clear()
            self._replies.clear()
        # A worker that waits sends nothing. So the next call is made when its wish is granted, and
        # lets it continue.
        if self._heard.wish is None or not self._pulls:
            self._pull_more()
        return bool(reply.frames)

    def _blocks(self, contents: Sequence[memoryview]) -> Sequence[memoryview]:
        if not contents:
            return ()
        return contents if self._read_only else [self._buffers.copy([each]) for each in contents]

    def _has_reply(self) -> bool:
        for future in [each for each in self._pulls if each.done()]:
            self._pulls.remove(future)
            if (error := future.exception()) is None:
                reply = future.result()
                self._replies[reply.number] = reply
            elif self.failure is None:  # later replies are of no use without this one
                self.failure = error
                self._wakeup.set()  # others may have arrived just before
                self._push_words()  # a worker that still lives then returns the other calls
        return self._next in self._replies

    def _is_over(self) -> bool:
        cut = (self._gone or self.failure is not None) and not self._pulls
        return self._last or cut or self._calls.lost() or self._calls.is_long_dead()

    def filenos(self) -> tuple[int, ...]:
        return () if self._wakeup.closed else (self._wakeup.fileno(),)

    # Beside the frames ----------------------------------------------------------------------

    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001  it sets or clears
        self._heard.waiting = on
        if not on:
            self._way.asking.end()
            return
        self._way.asking.begin()
        self._grant()
        # If the cluster was left, calls never return, nor do some if a machine has crashed.
        if self._calls.lost(certain=True) or self._calls.is_long_dead():
            self._wakeup.set()

    def acknowledge(self, epoch: int, total: int) -> None:
        heard = self._heard
        if epoch < heard.epoch:
            return  # of a loop that another thread has replaced
        heard.epoch, heard.total = epoch, total
        if heard.wish is not None:
            self._grant()

    def _grant(self) -> None:
        """Tell the worker if its wish is fulfilled by now: its next usual call comes too late."""
        if self._heard.wish is not None:
            # Ctrl-C in between would lose the grant, or a reply: both sides would wait for ever.
            defer_signals(partial(self._whole, self._grant_now))

    def _grant_now(self) -> None:
        if self._heard.grant() and not self._pull_more():
            self._push_words()

    def _pull_more(self) -> bool:
        """Make the calls that are missing; return whether there were any."""
        missing = PULLS - len(self._pulls) - len(self._replies)
        if missing <= 0 or self._state or self.failure is not None or self._is_over():
            return False
        if False not in [each.done() for each in self._pulls]:
            self._heard.begun = (0, None)  # no call was left by which the worker could report more
        for _ in range(missing):
            self._pull()
        return True

    def revoke(self, epoch: int) -> None:
        self._revoked = epoch
        self._push_words()

    def _push_words(self) -> None:
        if self._state < 2 and not self._calls.lost():  # noqa: PLR2004  all of it is closed
            self._push([])

    def begun(self, epoch: int) -> tuple[int | None, float | None]:
        # A worker that has died may have begun other inputs since its last report.
        return (None, None) if self._is_over() else self._heard.input(epoch)

    def gauges(self) -> Gauges:
        return Gauges(worker_waited=self._waited, transfer=self._way.seconds)

    # The end --------------------------------------------------------------------------------

    def close_reading(self) -> None:
        self._close(1)

    def close(self) -> None:
        self._close(2)

    def _close(self, state: int) -> None:
        before, self._state = self._state, max(self._state, state)
        if before < state and not self._calls.lost():
            self._push([])
            self._calls.end_unstarted()
        self._wakeup.close()
        self._pulls.clear()
        self._replies.clear()
