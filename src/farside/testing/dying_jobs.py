"""Iterables whose worker dies, for backends whose workers can be killed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .jobs import Numbers


class Dies(Numbers):
    """Yields numbers, and ends its process halfway: each time, or only once if it has a path."""

    def __init__(self, count: int, path: str | None = None) -> None:
        super().__init__(count)
        self.path = path  # of a file, which is empty until the process has died

    def __iter__(self) -> Iterator[int]:
        for number in super().__iter__():
            if number == self.count // 2 and not self._has_died():
                os._exit(3)
            yield number

    def _has_died(self) -> bool:
        if self.path is None:
            return False
        with open(self.path, "ab") as file:
            died = file.tell() > 0
            file.write(b".")
        return died
