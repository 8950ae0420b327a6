"""How far the worker may run ahead of the parent. No I/O.

The parent tells how many items of the pass its user has taken, as a running total; so a lost or
late grant is made good by the next one. The worker starts to make an item only while its window
is open.
"""

from __future__ import annotations

from collections import deque

AUTOMATIC_ITEMS = 3
"""Items that may always wait for the parent when ``buffer_size`` is None, however large."""


class Window:
    """The worker's account: may it start on a further item?

    With ``items``, as many finished items may wait for the parent, and one more may be in the
    making: item k + items + 1 is started no sooner than item k was taken. Without, at least
    `AUTOMATIC_ITEMS` may wait, and more as long as all that waits is below ``nbytes``.

    Example:
        >>> window = Window(items=1, nbytes=0)
        >>> window.sent(10), window.is_open(), window.sent(10), window.is_open()
        (None, True, None, False)
        >>> window.taken(1), window.is_open()
        (None, True)
    """

    __slots__ = ("_items", "_limit", "_made", "_nbytes", "_sizes", "_taken", "_waiting")

    def __init__(self, items: int | None, nbytes: int) -> None:
        self._items = items
        self._limit = AUTOMATIC_ITEMS if items is None else items
        self._nbytes = nbytes
        self.reset()

    def reset(self) -> None:
        """Begin a pass."""
        self._made = 0
        self._taken = 0
        self._waiting = 0  # bytes
        self._sizes: deque[int] = deque()

    def is_open(self) -> bool:
        """Tell whether the worker may start on a further item."""
        if self._made - self._taken <= self._limit:
            return True
        return self._items is None and self._waiting < self._nbytes

    def sent(self, nbytes: int) -> None:
        """Book an item of so many bytes."""
        self._made += 1
        if self._items is None:
            self._waiting += nbytes
            self._sizes.append(nbytes)

    def taken(self, total: int) -> None:
        """Book that the parent's user has taken `total` items of this pass."""
        if self._items is None:
            for _ in range(min(total - self._taken, len(self._sizes))):
                self._waiting -= self._sizes.popleft()
        self._taken = max(self._taken, total)


class Ledger:
    """The parent's account of a pass: what its user took, and when to tell the worker.

    Telling is a system call and may wake the worker, so it is done once for a quarter of what may
    wait. A parent that has taken all there is can thus wait for more: what the worker was not
    told of does not fill its window.

    Example:
        >>> ledger = Ledger(items=1, nbytes=0)
        >>> ledger.took(10), ledger.total
        (True, 1)
    """

    __slots__ = ("_bytes", "_bytes_due", "_items_due", "_told", "total")

    def __init__(self, items: int | None, nbytes: int) -> None:
        self._items_due = None if items is None else max(1, items // 4)
        self._bytes_due = nbytes // 4
        self._bytes = 0
        self._told = 0
        self.total = 0

    def took(self, nbytes: int) -> bool:
        """Book an item; tell whether the worker should hear of it now."""
        self.total += 1
        if self._items_due is not None:
            return self.total - self._told >= self._items_due
        self._bytes += nbytes
        return self._bytes >= self._bytes_due

    def told(self) -> None:
        """Book that the worker was told."""
        self._told = self.total
        self._bytes = 0
