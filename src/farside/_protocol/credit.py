"""Credit: computes how far a worker may run ahead of the parent. No I/O.

The parent reports how many items of the pass its user has taken, as a running total. The worker
begins an item only while its `Window` is open.
"""

from __future__ import annotations

from .._in_c import deque

AUTOMATIC_ITEMS = 3  # this many may always wait if ``buffer_size`` is None, however large they are
UNLIMITED = -1  # the ``buffer_size`` with which any number of items may wait
_MANY_ITEMS = 64  # from this ``buffer_size`` on, the worker continues when an eighth was taken
_ENDLESS = 1 << 62


class Window:
    """Decides whether the worker may begin another item.

    If ``items`` is a number, that many finished items may wait for the parent while one more is
    being made: item k + items + 1 is begun no sooner than item k was taken. If it is None, at least
    `AUTOMATIC_ITEMS` may wait, and more as long as the sent items that wait leave more than a
    quarter of ``nbytes`` free: so there is room for a frame. The caller lets a frame have no more
    bytes than `room`, but for its last item. So what waits has ``nbytes`` and one item at most, or
    few items. If ``items`` is `UNLIMITED`, any number may wait.

    One thread at a time calls `sent`; another may call the other methods meanwhile.

    Example:
        >>> window = Window(items=1, nbytes=0)
        >>> window.stop(taken=0), window.stop(taken=1)
        (2, 3)
        >>> window.wish(made=3)
        2
    """

    __slots__ = (
        "_frames", "_items", "_limit", "_nbytes", "_sent_bytes", "_sent_items", "_taken",
        "by_bytes", "unlimited",
    )  # fmt: skip

    def __init__(self, items: int | None, nbytes: int) -> None:
        self.unlimited, self.by_bytes = items == UNLIMITED, items is None
        self._items = items
        self._limit = AUTOMATIC_ITEMS if items is None else items
        self._nbytes = nbytes
        self._frames: deque[tuple[int, int]] = deque()
        self.reset()

    def reset(self) -> None:
        """Begin a pass."""
        self._sent_items = self._sent_bytes = 0
        self._taken = 0  # bytes
        self._frames.clear()

    def sent(self, count: int, nbytes: int) -> None:
        """Record that a frame of `count` items and `nbytes` bytes was sent."""
        if self.by_bytes:
            self._sent_items += count
            self._sent_bytes += nbytes
            self._frames.append((self._sent_items, self._sent_bytes))

    def stop(self, taken: int) -> int:
        """Return how many items of the pass may be made in all, once `taken` of them were taken."""
        # Items that were made but not sent do not count here, so the caller must keep them few.
        if self.unlimited:
            return _ENDLESS
        if self.by_bytes:
            frames = self._frames
            while frames and frames[0][0] <= taken:
                self._taken = frames.popleft()[1]
            if self._nbytes - self._sent_bytes + self._taken > self._nbytes // 4:
                return _ENDLESS
        return taken + self._limit + 1

    @property
    def room(self) -> int:
        """How many bytes may still be sent; 0 or less if none. As of the latest `stop`."""
        return self._nbytes - self._sent_bytes + self._taken

    def wish(self, made: int) -> int:
        """Return how many items must have been taken before it is worth waking the worker."""
        # With a small ``items``, one more is enough, and with a large one an eighth of it. If it is
        # None, a quarter of ``nbytes`` is. So the worker is not woken for each small item.
        least = made - self._limit
        if self._items is not None:
            return least + (self._items // 8 if self._items >= _MANY_ITEMS else 0)
        enough = self._sent_bytes - self._nbytes + self._nbytes // 4
        return min([least, *(items for items, nbytes in list(self._frames) if nbytes > enough)])
