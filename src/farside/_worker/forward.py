"""Sends what user code logs, and of what it warns, to the parent."""

from __future__ import annotations

import os
import sys
import threading
import warnings

from .._protocol.messages import Status
from ..errors import ChannelClosedError
from .records import flatten_warning, tell_dropped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._transport.channel import WorkerChannel
    from .log_levels import Levels

_PATIENCE = 1.0
"""Seconds that a thread of user code waits, once, when far too much waits for the parent."""

current: Forwarder | None = None
"""What takes the records of this interpreter, if it is a worker whose parent wants them."""


class Forwarder:
    """Sends bodies of records, from any thread.

    The thread that runs the iterable waits for the parent to make room, as it does with items.
    Other threads do not, since nobody may read for hours: a record of theirs waits in memory. When
    much waits there too, it is dropped, and the next that finds room tells how many were.

    Args:
        channel: where they go.
        call_courier: has what waits sent in a while.
    """

    def __init__(self, channel: WorkerChannel, call_courier: Callable[[], object]) -> None:
        self._channel = channel
        self._call_courier = call_courier
        self._thread = threading.get_ident()
        self._process = os.getpid()
        self._patience = _PATIENCE
        self._dropped = 0

    def forward(self, flatten: Callable[[], bytes]) -> bool:
        """Send a record; tell whether the parent hears of it.

        Args:
            flatten: makes its body.
        """
        if os.getpid() != self._process:
            return False  # a forked child of the worker: the stream is not its own
        try:
            body = flatten()
            if threading.get_ident() == self._thread:
                self.tell_dropped()
                self._channel.send(Status.RECORDS_EMITTED, 0, [body])
            else:
                self._post(body)
        except ChannelClosedError:
            return False
        return True

    def tell_dropped(self) -> None:
        """Tell how many records were dropped, if any were."""
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._channel.send(Status.RECORDS_EMITTED, 0, [tell_dropped(dropped)])

    def _post(self, body: bytes) -> None:
        dropped, self._dropped = self._dropped, 0
        bodies = [tell_dropped(dropped), body] if dropped else [body]
        try:
            all_sent = [
                self._channel.post(Status.RECORDS_EMITTED, 0, [each], self._patience)
                for each in bodies
            ]
        except BlockingIOError:
            self._dropped += dropped + 1
            self._patience = 0
        else:
            self._patience = _PATIENCE
            if not all_sent[-1]:
                self._call_courier()


def start(forwarder: Forwarder, levels: Levels | None) -> None:
    """Take the warnings of this interpreter, and its log records once there is `logging`."""
    global _show, current  # noqa: PLW0603  one worker runs in an interpreter
    current = forwarder
    if warnings.showwarning is not _showwarning:
        _show = warnings.showwarning
        warnings.showwarning = _showwarning

    def hook() -> None:
        from . import log_hook  # imports logging

        log_hook.install(levels)

    if "logging" in sys.modules:
        hook()
    else:
        sys.meta_path.insert(0, _Finder(hook))


def take_over(levels: Levels | None) -> None:
    """Let no handler take records that is the parent's: all is loaded, and no user code has run."""
    if "logging" in sys.modules:
        from . import log_hook

        log_hook.take_over(levels)


def stop() -> None:
    """Take no more records: the channel is about to close."""
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
    """Stand in for `warnings.showwarning`."""
    if (
        file is not None
        or current is None
        or not current.forward(lambda: flatten_warning(message, category, filename, lineno, line))
    ):
        _show(message, category, filename, lineno, file, line)


class _Finder:
    """Acts when `logging` is imported, and finds no module itself."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "logging" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self._act)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Loads a module as another loader does, and acts then."""

    def __init__(self, loader: Any, act: Callable[[], object]) -> None:
        self._loader = loader
        self._act = act

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        # Nothing of this is left to be seen.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._act()
