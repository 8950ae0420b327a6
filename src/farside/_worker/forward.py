"""Sends the log records and warnings of user code to the parent."""

from __future__ import annotations

import os
import sys
import warnings

from .._in_c import get_ident
from .._payload.records import flatten_dropped, flatten_warning
from .._protocol.messages import Status
from ..errors import LinkClosedError
from .import_hook import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._link.worker_base import WorkerLink
    from .._payload.verbosity import Levels

_PATIENCE = 1.0  # seconds that a thread of user code waits for room, once, if far too much waits
current: Forwarder | None = None  # takes the records, if this is a worker whose parent wants them


class Forwarder:
    """Sends bodies of records, from any thread, unless it is muted.

    The thread that runs the iterable waits for the parent to make room, as it does with items.
    Other threads do not, since the parent may not read for hours: their records wait in memory.
    When too much waits there, records are dropped, and the next that finds room tells how many.
    """

    def __init__(self, link: WorkerLink, call_flusher: Callable[[], object]) -> None:
        self._link = link
        self._call_flusher = call_flusher
        self._thread = get_ident()
        self._process = os.getpid()
        self._patience = _PATIENCE
        self._dropped = 0
        self.muted = False

    def forward(self, flatten: Callable[[], bytes]) -> bool:
        """Send a record whose body `flatten` makes; False: it has to be shown here instead."""
        if not self.is_here():
            return False
        if self.muted:
            return True
        try:
            body = flatten()
            if get_ident() == self._thread:
                self.tell_dropped()
                self._link.send(Status.RECORDS_EMITTED, 0, [body])
            else:
                self._post(body)
        except LinkClosedError:
            return False
        return True

    def is_here(self) -> bool:
        """Tell whether this is the worker itself: a forked child of it must not use the stream."""
        return os.getpid() == self._process

    def tell_dropped(self) -> None:
        """Send how many records were dropped, if any were."""
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._link.send(Status.RECORDS_EMITTED, 0, [flatten_dropped(dropped)])

    def _post(self, body: bytes) -> None:
        dropped, self._dropped = self._dropped, 0
        post = self._link.post
        try:
            if dropped:
                post(Status.RECORDS_EMITTED, 0, [flatten_dropped(dropped)], self._patience)
                dropped = 0
            sent = post(Status.RECORDS_EMITTED, 0, [body], self._patience)
        except BlockingIOError:
            self._dropped += dropped + 1
            self._patience = 0
        else:
            self._patience = _PATIENCE
            if not sent:
                self._call_flusher()


def start(forwarder: Forwarder, levels: Levels | None) -> None:
    """Begin to send the warnings of this interpreter, and log records once it has `logging`."""
    global _show, current  # noqa: PLW0603  one worker runs in an interpreter
    current = forwarder
    if warnings.showwarning is not _showwarning:
        _show = warnings.showwarning
        warnings.showwarning = _showwarning

    def hook() -> None:
        from . import log_hook  # imports logging

        log_hook.install(levels)

    when_imported("logging", hook)


def take_over(levels: Levels | None) -> None:
    """Remove the parent's log handlers, after all was loaded and before initializers run."""
    if "logging" in sys.modules:
        from . import log_hook

        log_hook.take_over(levels)


def mute(*, on: bool) -> None:
    """Drop all records while `on`: user code repeats work whose records it has sent before."""
    if current is not None:
        current.muted = on


def send_last(link: WorkerLink) -> None:
    """Send what waits for room, and how many were dropped, as no later record may report it."""
    try:
        if current is not None:
            current.tell_dropped()
        link.flush()
    except LinkClosedError:
        pass  # the parent is gone


def stop() -> None:
    """Send no more records: the link is about to close."""
    global current  # noqa: PLW0603
    current = None


_show: Any = warnings.showwarning


def _showwarning(  # noqa: PLR0917  as in warnings
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    if (
        file is not None
        or current is None
        or not current.forward(lambda: flatten_warning(message, category, filename, lineno, line))
    ):
        _show(message, category, filename, lineno, file, line)
