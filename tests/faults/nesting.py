"""Workers that have workers of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside import RemoteIterable

kept: list[RemoteIterable[Any]] = []
"""Never closed by the worker that has started them."""


class Nests:
    """Iterates over a worker of its own, and yields what that yields."""

    def __init__(self, options: dict[str, Any], *, keep: bool = False) -> None:
        self.options = options
        self.keep = keep

    def __iter__(self) -> Iterator[object]:
        from farside import iterate_in_worker

        inner = iterate_in_worker(jobs.Tellers, **self.options)
        yield os.getpid()
        if self.keep:
            kept.append(inner)
            yield from inner
        else:
            with inner:
                yield from inner
