"""Large items: the bytes count.

The items are made before the clock starts and yielded in turn, so that a source costs next to
nothing. They are never changed: some contestants pickle an item in another thread, after the
generator went on. Arrays are yielded as new views, so that a pickle of several items still has the
bytes of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Source, expect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RING_BYTES = 1 << 20
_WORD = 8


class Ring(Source):
    """Items that were made before, in turn."""

    most = 16

    def __init__(self, nbytes: int, length: int | None = None) -> None:
        super().__init__(length)
        self.nbytes = nbytes
        self.size = max(2, min(self.most, _RING_BYTES // nbytes))
        self._ring: Sequence[Any] = ()

    def __call__(self) -> Ring:
        """Make the items."""
        self._ring = [self.make(number) for number in range(self.size)]
        return self

    def make(self, number: int) -> Any:
        """Make the item of this place in the ring, full of its number."""
        raise NotImplementedError

    def item(self, index: int) -> Any:
        """Return the item whose turn it is."""
        return self._ring[index % self.size]

    def buffers(self, item: Any) -> list[memoryview]:
        """Return the payload of an item as flat bytes."""
        return [memoryview(item).cast("B")]


class Bytes(Ring):
    """Bytes objects."""

    most = 100

    def __init__(self, nbytes: int, length: int | None = None) -> None:
        super().__init__(nbytes, length)
        self.distinct = self.size

    def make(self, number: int) -> bytes:
        """Fill the bytes with the number."""
        return bytes([number]) * self.nbytes

    def check(self, item: Any, index: int) -> None:
        """Compare the size and both ends."""
        place = index % self.size
        if len(item) != self.nbytes or item[0] != place or item[-1] != place:
            expect(f"size and ends of item {index}", _ends(item), (self.nbytes, place, place))

    def verify(self, item: Any, index: int) -> None:
        """Compare all."""
        expect(f"item {index}", item == self.make(index % self.size), True)


class Arrays(Ring):
    """NumPy arrays of 64-bit integers."""

    def make(self, number: int) -> Any:
        """Fill an array with the number."""
        import numpy as np

        return np.full(self.nbytes // _WORD, number, dtype=np.int64)

    def item(self, index: int) -> Any:
        """Return a new view of the array whose turn it is."""
        return self._ring[index % self.size][:]

    def check(self, item: Any, index: int) -> None:
        """Compare the size and both ends."""
        place = index % self.size
        if item.nbytes != self.nbytes or item[0] != place or item[-1] != place:
            expect(f"size and ends of item {index}", _ends(item), (self.nbytes, place, place))

    def verify(self, item: Any, index: int) -> None:
        """Compare all."""
        self.check(item, index)
        expect(f"item {index}", bool((item == index % self.size).all()), True)


def increased(array: Any) -> Any:
    """Make an item of `ReturnedArrays`."""
    return array + 1


class ReturnedArrays(Arrays):
    """The same, but each is made from an array of this process whose numbers are less by one."""

    direct = staticmethod(increased)

    def inputs(self) -> Iterator[Any]:
        """Return new views of some arrays, in turn. The arrays are made before the first view."""
        ring = [self.make(number - 1) for number in range(self.size)]
        return (ring[index % self.size][:] for index in self.indices())


class Batches(Ring):
    """Training batches: 32 images of 3 × 224 × 224 bytes, features and labels."""

    SIZE = 32
    SHAPES = (
        ("images", "uint8", (SIZE, 3, 224, 224)),
        ("features", "float32", (SIZE, 1024)),
        ("labels", "int64", (SIZE,)),
    )

    def __init__(self, length: int | None = None) -> None:
        pixels, features = self.SIZE * 3 * 224 * 224, self.SIZE * 1024
        super().__init__(pixels + features * 4 + self.SIZE * _WORD, length)

    def make(self, number: int) -> dict[str, Any]:
        """Fill the arrays with the number."""
        import numpy as np

        return {name: np.full(shape, number, dtype) for name, dtype, shape in self.SHAPES}

    def item(self, index: int) -> dict[str, Any]:
        """Return new views."""
        return {name: array[:] for name, array in self._ring[index % self.size].items()}

    def check(self, item: Any, index: int) -> None:
        """Compare shapes, and both ends of each array."""
        place = index % self.size
        for name, _, shape in self.SHAPES:
            array = item[name]
            first, last = array[(0,) * len(shape)], array[(-1,) * len(shape)]
            expect(f"{name} of item {index}", tuple(array.shape), shape)
            expect(f"ends of {name}", (first, last), (place, place))

    def verify(self, item: Any, index: int) -> None:
        """Compare all."""
        self.check(item, index)
        for array in item.values():
            expect(f"item {index}", bool((array == index % self.size).all()), True)

    def buffers(self, item: Any) -> list[memoryview]:
        """Return the three arrays."""
        return [memoryview(array).cast("B") for array in item.values()]


def _ends(item: Any) -> tuple[int, int, int]:
    size = len(item) if isinstance(item, bytes) else item.nbytes
    return size, int(item[0]), int(item[-1])
