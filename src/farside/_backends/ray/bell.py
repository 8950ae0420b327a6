"""What one thread of the actor waits for, and any other rings."""

from __future__ import annotations

import threading


class Bell:
    """Wakes the one thread that waits for it. No exception from outside leaves it half rung."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake that thread, or let its next wait return at once."""
        try:
            self._silent.release()
        except RuntimeError:
            pass  # it was rung already

    def wait(self, seconds: float = -1) -> None:
        """Wait until it was rung, or for so many seconds."""
        self._silent.acquire(timeout=seconds)
