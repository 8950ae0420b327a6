"""How the core is stepped: by one lock, which is held for a short time, and a mailbox.

Whoever wants something puts an *event* into the mailbox: a function of the group's core. Whoever
has the lock empties the mailbox: each event steps a copy of the core, the copy takes its place, and
its effects are performed. Nothing waits meanwhile, and no user code runs, but for ``len()`` of the
inputs of a map as a pass begins. A finalizer or a signal handler, which must not wait for the lock,
leaves its event in the mailbox, and whoever has the lock finds it.

An exception of a signal handler finds the core as it was before an event or after it. To put the
copy in its place is one step, and the core's ``stamp`` tells what has happened already.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .._protocol.group import GroupCore
from .._system.signals import defer_sigint, try_lock, with_lock
from ..errors import ProtocolError
from .wait import Waiting

T = TypeVar("T")


class _Event:
    """Something that happens to the core, and what comes of it."""

    __slots__ = ("error", "index", "result", "step")

    def __init__(self, step: Callable[[GroupCore], Any], index: int | None = None) -> None:
        self.step = step
        self.index = index
        self.result: Any = None
        self.error: Exception | None = None


class Steps:
    """Steps a core. Any thread may call any method.

    Attributes:
        perform: with the lock, does what the core wants done.
        core: what is known of the workers. Any thread may look at it, and events change it. A
            thread that waits notes in it since when, and which inputs run, without the lock. An
            event at the same time may lose such a note; the next wait, a second later at most,
            makes it again.
        waiting: where threads and event loops wait for the workers; after each event they look.
        taking_in: the thread that just reads what has come, or takes it in; None: no thread does.
    """

    perform: Callable[[], None]
    _mend: Callable[[], None]  # gives up a worker in whose effect an exception has struck

    # Finalizers find no global name when Python exits.
    _try_lock = staticmethod(try_lock)
    _defer_sigint = staticmethod(defer_sigint)

    def __init__(self, core: GroupCore) -> None:
        self.core = core
        self.waiting = Waiting()
        self._mailbox: deque[_Event] = deque()
        self._lock = threading.RLock()
        self.taking_in: int | None = None
        self._stepping = False
        self._performing = False  # an effect; still set when an exception has struck in it

    def step(self, event: Callable[[GroupCore], T], index: int | None = None) -> T | None:
        """Let an event happen, and return what comes of it. `index`: it concerns that worker alone.

        In a signal handler that has struck in the middle of an event of its own thread, that is
        None: the new event happens as soon as the other one is over. It is a ProtocolError if the
        event does not fit; the core is as it was.
        """
        made = _Event(event, index)
        self._mailbox.append(made)
        defer_sigint(partial(with_lock, self._lock, self._empty))
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
        """With the lock, do work, such as several steps of the core; events come after it.

        The caller defers SIGINT. After a step that does not fit, the core is as it was before that.
        """
        try:
            with_lock(self._lock, partial(self._empty, work))
        finally:  # where the work raises, what has come meanwhile happens too
            if self._mailbox:
                self._empty_if_free()

    @property
    def taking_in_here(self) -> bool:
        """Whether this thread is in the middle of reading or taking in, further up."""
        return self.taking_in == threading.get_ident()

    @property
    def stepping_here(self) -> bool:
        """Whether this thread is in the middle of an event, further up."""
        # Who gets the lock, and finds this set, has set it further up: no other thread can have it.
        return self._stepping and bool(try_lock(self._lock, lambda: self._stepping))

    def check_not_stepping(self) -> None:
        """Raise a RuntimeError in a signal handler that has struck in an event, or in taking in."""
        if self.taking_in_here or self.stepping_here:
            raise RuntimeError(
                "a signal handler uses a worker, and has struck while the protocol with it was at "
                "a step; let the handler set a flag, and use the worker elsewhere"
            )

    def _empty_if_free(self) -> None:
        # Looked at again after the lock was given back: somebody may have relied on this thread.
        while self._mailbox and not self._stepping:
            if not self._defer_sigint(partial(self._try_lock, self._lock, self._empty)):
                return

    def _empty(self, work: Callable[[], object] | None = None) -> bool:
        """With the lock, do some work, and let what is in the mailbox happen."""
        # If this thread does so already, further up, that call finds what is in the mailbox.
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
        # Not in the `try`: Python 3.13 leaves that without its `finally` where a signal handler
        # raises as a loop begins again.
        while self._mailbox:
            event = self._mailbox[0]
            if self.core.stamp is not event:  # else it has happened, and an exception struck
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
