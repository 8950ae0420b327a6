"""Python's exit waits for the calls that were submitted to executors."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from ..._system.signals import at_fork, with_lock

if TYPE_CHECKING:
    from .crew import Crew


class AtExit:
    """Waits, when Python exits, for the tasks that were submitted, as other executors do."""

    def __init__(self) -> None:
        # Reentrant: a finalizer may use an executor while its thread starts that of another one.
        self.lock = threading.RLock()
        at_fork(after_in_child=self._renew)
        self._begun = False
        self.crews: weakref.WeakSet[Crew] = weakref.WeakSet()
        # A private function that concurrent.futures uses too. It exists from Python 3.9 on.
        threading._register_atexit(self.wait)  # type: ignore[attr-defined]  # noqa: SLF001

    def _renew(self) -> None:
        self.lock = threading.RLock()

    def check(self) -> None:
        """Raise RuntimeError if Python exits."""
        if self._begun:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def _begin(self) -> list[Crew]:
        self._begun = True
        return list(self.crews)

    def wait(self) -> None:
        """Wait until every executor has done what was submitted."""
        crews = with_lock(self.lock, self._begin)
        for crew in crews:
            crew.shut_down(cancel=False)
        for crew in crews:
            crew.join()


at_exit = AtExit()
