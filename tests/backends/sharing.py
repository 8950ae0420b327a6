"""What user code does with multiprocessing in a worker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.managers import ListProxy


def first_byte(name: str) -> Iterator[int]:
    """Attach to the parent's shared memory."""
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(name)
    assert memory.buf is not None
    yield memory.buf[0]
    memory.close()


def append(items: ListProxy[int]) -> list[int]:
    """Change a list of a manager."""
    items.append(2)
    return list(items)


def shares_at_the_end() -> Iterator[bool]:
    """Make shared memory that nobody unlinks, in a worker that has had no part in the parent's."""
    yield "multiprocessing" in sys.modules
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(create=True, size=1)
    yield memory.size > 0
    memory.close()
    memory.unlink()


def key_of_processes() -> list[bytes]:
    """Return the key by which this worker knows what other processes share."""
    from multiprocessing.process import current_process

    return [bytes(current_process().authkey)]
