"""Arrays that are made anew for each item, as real sources do."""

from __future__ import annotations

from typing import Any

from .base import Source, expect

_WORD = 8


class Fresh(Source):
    """NumPy arrays, each new and full of its number."""

    def __init__(self, nbytes: int, length: int | None = None) -> None:
        super().__init__(length)
        self.nbytes = nbytes

    def __call__(self) -> Fresh:
        """Import NumPy before the first pass."""
        import numpy as np  # noqa: F401

        return self

    def words(self, index: int) -> int:
        """Return how long item number `index` is."""
        del index
        return self.nbytes // _WORD

    def item(self, index: int) -> Any:
        """Make an array."""
        import numpy as np

        return np.full(self.words(index), index, dtype=np.int64)

    def check(self, item: Any, index: int) -> None:
        """Compare the size and both ends."""
        ends = (len(item), int(item[0]), int(item[-1]))
        expect(f"size and ends of item {index}", ends, (self.words(index), index, index))

    def verify(self, item: Any, index: int) -> None:
        """Compare all."""
        self.check(item, index)
        expect(f"item {index}", bool((item == index).all()), True)


class Swelling(Fresh):
    """The same, but the first are tiny, to find out what memory a worker without items takes."""

    TINY = 20

    def words(self, index: int) -> int:
        """Return 1 at first."""
        return super().words(index) if index >= self.TINY else 1


class Allocated(Fresh):
    """Arrays on memory from `farside.allocate`, of which only both ends are written."""

    def item(self, index: int) -> Any:
        """Make an array on it."""
        import numpy as np

        import farside

        # Some older revisions that are measured do not have it.
        memory = farside.allocate(self.nbytes)  # type: ignore[operator,unused-ignore]
        array: Any = np.frombuffer(memory, dtype=np.int64)
        array[0] = array[-1] = index
        return array

    def verify(self, item: Any, index: int) -> None:
        """Compare both ends; what lies between is arbitrary."""
        self.check(item, index)
