"""The worker's side of those contestants that call a function, with a number or with a part.

It imports nothing, like `sources.small`: an import would count as a part of the start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from benchmarks.sources.base import Source

_prepared: dict[str, Source] = {}


def prepare(source: Source) -> None:
    """Prepare the source of this worker; for contestants that take an initializer."""
    _prepared["source"] = source()


def part(source: Source) -> Iterable[Any]:
    """Prepare the part of a worker; for contestants that call a function with it."""
    return source()


def item(index: int) -> Any:
    """Make an item of the source that `prepare` was given."""
    return _prepared["source"].item(index)


def item_of(source: Source, index: int) -> Any:
    """Make an item of a source, and prepare that at the first: for pools without initializers."""
    if "source" not in _prepared:
        prepare(source)
    return item(index)
