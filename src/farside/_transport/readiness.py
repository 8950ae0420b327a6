"""One file descriptor for several: an event loop waits for it by its own means."""

from __future__ import annotations

import selectors
from contextlib import suppress

from .descriptors import adopt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Readiness:
    """Is readable while any of some file descriptors is.

    It may be waited for while they are closed: then they no longer count. It is closed when nobody
    refers to it any more, so never while a loop waits for it.

    Args:
        fds: numbers of the descriptors; one that is closed already does not count.

    Raises:
        OSError: no file descriptors are left.
    """

    __slots__ = ("__weakref__", "_selector")

    def __init__(self, fds: Iterable[int]) -> None:
        # With epoll or kqueue behind it, it has a descriptor that can be waited for in turn.
        self._selector: selectors.BaseSelector | None = None
        adopt(self, self._open)
        assert self._selector is not None
        for fd in fds:
            with suppress(OSError):
                self._selector.register(fd, selectors.EVENT_READ)

    def _open(self) -> None:
        self._selector = selectors.DefaultSelector()

    def fileno(self) -> int:
        """Return the number that becomes readable; -1 in a forked child."""
        # Not every kind of selector has one, but those of Linux, macOS and the BSDs do.
        number: int = -1 if self._selector is None else self._selector.fileno()  # type: ignore[attr-defined]
        return number

    def close(self) -> None:
        """Close it, once; a forked child does so at its start."""
        selector, self._selector = self._selector, None
        if selector is not None:
            selector.close()

    def __del__(self) -> None:
        self.close()
