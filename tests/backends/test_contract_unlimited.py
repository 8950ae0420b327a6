"""With ``buffer_size=-1`` nothing holds the worker up: what the parent does not take waits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside.testing.checks import until
from tests.backends.producing import Marked
from tests.backends.test_contract_memory import in_use

if TYPE_CHECKING:
    from pathlib import Path

    from farside import RemoteIterable
    from tests.kinds import Kind

SECONDS = 20.0
BUFFER_BYTES = 1 << 16
ITEMS = {"small": (20_000, 500), "through the arena": (100, 100_000), "more than it": (300, 20_000)}
"""How many items, and how large: far more than the pipe holds, or `BUFFER_BYTES`."""


@pytest.mark.parametrize("size", ITEMS)
def test_the_worker_comes_to_its_end_though_nothing_is_taken(
    kind: Kind, tmp_path: Path, size: str
) -> None:
    count, nbytes = ITEMS[size]
    marks = tmp_path / "marks"
    items: RemoteIterable[Any] = kind.start(
        partial(Marked, str(marks), count, nbytes),
        buffer_size=-1,
        buffer_bytes=BUFFER_BYTES,
        arena_bytes=1 << (20 if size == "more than it" else 26),
        timeout=SECONDS,
    )
    with items:
        for passes in (1, 2):
            iterator = iter(items)
            assert next(iterator) == 0
            until(lambda: marks.exists() and len(marks.read_bytes()) == passes)  # noqa: B023
            for number, item in enumerate(iterator):
                assert item == bytes([number % 256]) * nbytes
            assert number == count - 1
            del item
            assert in_use(items) == 0
            assert items.stats().arena_bytes_used == 0
        assert items.stats().buffered_items == 0
        assert "limit: none" in str(items.stats())


def test_a_pass_that_is_left_early(kind: Kind, tmp_path: Path) -> None:
    """What waits for a parent that wants it no more does not hold up the next pass, or the end."""
    marks = tmp_path / "marks"
    with kind.start(
        partial(Marked, str(marks), 20_000, 500), buffer_size=-1, timeout=SECONDS
    ) as items:
        for passes in (1, 2, 3):
            iterator = iter(items)
            assert next(iterator) == 0
            until(lambda: marks.exists() and len(marks.read_bytes()) == passes)  # noqa: B023
        assert sum(1 for _ in items) == 20_001
