"""Uses an installed farside, with nothing but the standard library; see `check_package`."""

from __future__ import annotations

import unittest
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from farside import available_backends, iterate_in_worker
from farside.testing import BackendContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from farside import RemoteIterable

T = TypeVar("T")


class TestInline(BackendContract, unittest.TestCase):
    """The whole contract: it needs no worker, so it is quick."""

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        return iterate_in_worker(fn, backend="inline", **options)


class TestBackends(unittest.TestCase):
    """Each backend moves some items."""

    def test_every_backend(self) -> None:
        for name, state in available_backends().items():
            if state.usable:
                with iterate_in_worker(partial(range, 1000), backend=name) as numbers:
                    assert list(numbers) == list(range(1000))
                    assert sum(numbers) == 499_500

    def test_large_contents(self) -> None:
        with iterate_in_worker(partial(map, bytes, [1_000_000] * 3)) as blocks:
            assert [len(block) for block in blocks] == [1_000_000] * 3


if __name__ == "__main__":
    unittest.main()
