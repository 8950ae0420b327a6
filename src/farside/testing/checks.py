"""Helpers of the contract suites, which need no test framework."""

from __future__ import annotations

import select
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable

    from .._link.base import Link
    from .._link.frames import Frame
    from .._parent.iterable import RemoteIterable

T = TypeVar("T")

SECONDS = 20.0  # far more than anything takes; a wait of this length is a hang


class StartsWorkers:
    """The base of all parts of `BackendContract`."""

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        """Start a worker on the backend under test, without fallback; see `iterate_in_worker`."""
        raise NotImplementedError("say how a worker is started: iterate_in_worker(fn, backend=…)")


def raises(kind: type[BaseException] | tuple[type[BaseException], ...], match: str = "") -> Any:
    """Return a context manager whose block must raise such an exception, with a text that matches.

    The context has it as ``exception``.
    """
    # Processes that tests start import this module too, and few of them need unittest.
    from unittest import TestCase

    return TestCase().assertRaisesRegex(kind, match)  # noqa: PT027  it needs no pytest


def take(iterable: Iterable[T]) -> tuple[list[T], Exception | None]:
    """Iterate to the end or to an error; return the items, and the exception or None."""
    got: list[T] = []
    try:
        for item in iterable:
            got.append(item)  # noqa: PERF402  extend would lose what came before an error
    except Exception as error:
        return got, error
    return got, None


def until(true: Callable[[], bool]) -> None:
    """Wait until a condition, which must come true soon, is true."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.001)


def is_readable(link: Link, seconds: float = 0.0) -> bool:
    """Wait until there may be something to read, and notify the link; flush a congested link."""
    events = dict.fromkeys(link.filenos(), select.POLLIN)
    if link.congested:
        link.flush()
    if link.congested:
        events[link.room_fileno()] = events.get(link.room_fileno(), 0) | select.POLLOUT
    poll = select.poll()
    for fd, mask in events.items():
        poll.register(fd, mask)
    ready = [fd for fd, mask in poll.poll(seconds * 1000) if mask != select.POLLOUT]
    for fd in ready:
        link.notice(fd)
    return bool(ready)


def receive(link: Link, into: deque[Frame], seconds: float = SECONDS) -> bool:
    """Wait for a link and read until a frame is complete; False if the time is up before."""
    deadline = time.monotonic() + seconds
    while not link.read(into):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        is_readable(link, left)
    return True


class Background(Generic[T]):
    """A call in a thread of its own. Its result or exception is kept; no test waits for it long."""

    def __init__(self, function: Callable[..., T], *args: object, **kwargs: object) -> None:
        self._future: Future[T] = Future()
        self.thread: threading.Thread = threading.Thread(
            target=self._run, name="background", args=(function, args, kwargs), daemon=True
        )
        self.thread.start()

    def result(self) -> T:
        """Wait for the end of the call, and return or raise what the call did."""
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the call does not come back"
        return self._future.result()

    def _run(self, function: Callable[..., T], args: Any, kwargs: Any) -> None:
        try:
            self._future.set_result(function(*args, **kwargs))
        except BaseException as error:
            self._future.set_exception(error)
