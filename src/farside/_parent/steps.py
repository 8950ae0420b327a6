"""Steps the core of a client, by means of a mailbox, and a lock that is held only for a short time.

A thread that wants something puts an *event* into the mailbox: a function of the group's core. The
thread that has the lock empties the mailbox. Each event steps a copy of the core; the copy then
replaces the core, and its effects are carried out. Meanwhile nothing waits, and no user code runs,
except ``len()`` of a map's inputs as a pass begins. A finalizer or a signal handler must not wait
for the lock. It leaves its event in the mailbox, where the thread that has the lock finds it.

If a signal handler raises an exception, the core is as it was before an event or after it: to
replace the core is a single step, and its ``stamp`` is the event that has happened last.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .._protocol.group import GroupCore
from .._system.signals import defer_signals, try_lock, with_lock
from ..errors import ProtocolError
from .wait import Waiting

T = TypeVar("T")


class _Event:
    """Something that happens to the core, and its outcome."""

    __slots__ = ("error", "index", "result", "step")

    def __init__(self, step: Callable[[GroupCore], Any], index: int | None = None) -> None:
        self.step = step
        self.index = index
        self.result: Any = None
        self.error: Exception | None = None


class Steps:
    """Steps a core. Any thread may call any method.

    Attributes:
        perform: carries out the effects of the core. It is called with the lock.
        core: what is known of the workers. Any thread may read it. Events, and frames that carry no
            items, change it with the lock. A thread that waits also notes in it, without the lock,
            since when it waits and which inputs run. An event at the same time may lose such a
            note; the next wait makes it again, a second later at most.
        waiting: where threads and event loops wait for the workers. Each event wakes them up.
        taking_in: the thread that is reading or handling frames; None: no thread is.
    """

    perform: Callable[[], None]
    _mend: Callable[[], None]  # fails workers after an exception has struck in an effect

    # Finalizers use these attributes, as they find no global names while Python exits.
    _try_lock = staticmethod(try_lock)
    _defer_signals = staticmethod(defer_signals)

    def __init__(self, core: GroupCore) -> None:
        self.core = core
        self.waiting = Waiting()
        self._mailbox: deque[_Event] = deque()
        self._lock = threading.RLock()
        self.taking_in: int | None = None
        self._stepping = False
        self._performing = False  # an effect; stays set if an exception strikes in it

    def step(self, event: Callable[[GroupCore], T], index: int | None = None) -> T | None:
        """Let an event happen, and return its result. With `index`, it concerns that worker alone.

        In a signal handler that interrupts an event of its own thread, the result is None, and the
        new event happens as soon as the other one is over. Raise ProtocolError if the event is not
        allowed now; the core then stays as it was.
        """
        made = _Event(event, index)
        self._mailbox.append(made)
        defer_signals(partial(with_lock, self._lock, self._empty))
        if self._mailbox:
            self._empty_if_free()
        if made.error is not None:
            raise made.error
        result: T | None = made.result
        return result

    def post(self, event: Callable[[GroupCore], object]) -> None:
        """Let an event happen, now or soon, and never wait: for finalizers."""
        self._mailbox.append(_Event(event))
        self._empty_if_free()

    def change(self, work: Callable[[], object]) -> None:
        """With the lock, do work, such as several steps of the core; then empty the mailbox.

        The caller defers signals. A step that is not allowed leaves the core as it was before it.
        """
        try:
            with_lock(self._lock, partial(self._empty, work))
        finally:  # if the work raises, events that have come meanwhile happen nevertheless
            if self._mailbox:
                self._empty_if_free()

    @property
    def taking_in_here(self) -> bool:
        """Whether this thread is reading or handling frames, further up its stack."""
        return self.taking_in is not None and self.taking_in == threading.get_ident()

    @property
    def stepping_here(self) -> bool:
        """Whether this thread is in the middle of an event, further up its stack."""
        # The lock is re-entrant. A thread that gets it and finds `_stepping` set has set that
        # itself, since no other thread can have the lock.
        return self._stepping and bool(try_lock(self._lock, lambda: self._stepping))

    def check_not_stepping(self) -> None:
        """Raise RuntimeError in a signal handler that interrupts an event, or reading of frames."""
        at_it = self.taking_in is not None or self._stepping  # in whichever thread
        if at_it and (self.taking_in_here or self.stepping_here):
            raise RuntimeError(
                "a signal handler uses a worker, and has struck while the protocol with it was at "
                "a step; let the handler set a flag, and use the worker elsewhere"
            )

    def _empty_if_free(self) -> None:
        # A loop: while this thread held the lock, another may have left an event for it to handle.
        while self._mailbox and not self._stepping:
            if not self._defer_signals(partial(self._try_lock, self._lock, self._empty)):
                return

    def _empty(self, work: Callable[[], object] | None = None) -> bool:
        """With the lock, do some work, and then let the events in the mailbox happen."""
        # If this thread is in here already, further up its stack, that call finds the new events.
        if self._stepping:
            return True
        self._stepping = True
        try:
            if self._performing:
                self._mend()
            if work is not None:
                work()
            self._take_each()
            self.core.stamp = None  # it would keep the event, and what that refers to
        finally:
            self._stepping = False
        self.waiting.wake_others()
        return True

    def _take_each(self) -> None:
        # The loop is not inside the `try`: if a signal handler raises as a loop begins again,
        # Python 3.13 leaves the `try` without running its `finally`.
        while self._mailbox:
            event = self._mailbox[0]
            if self.core.stamp is not event:  # else it happened before an exception struck
                core = self.core.copy(event.index)
                try:
                    event.result = event.step(core)
                except ProtocolError as error:
                    event.error = error
                else:
                    core.stamp = event
                    self.core = core
            self.perform()
            self._mailbox.popleft()
