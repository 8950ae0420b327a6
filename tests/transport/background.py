"""Threads of tests: what they return or raise is seen by the test, and none is waited for long."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
SECONDS = 20.0
"""Far more than anything here takes; a test that waits so long has found a hang."""


class Background(Generic[T]):
    """A function call in a thread of its own."""

    def __init__(self, function: Callable[..., T], *args: object, **kwargs: object) -> None:
        self._call = (function, args, kwargs)
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="background", daemon=True)
        self.thread.start()

    def result(self) -> T:
        """Wait for the end of the call, and return or raise what it did."""
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the call does not come back"
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        function, args, kwargs = self._call
        try:
            self._result.append(function(*args, **kwargs))
        except BaseException as error:
            self._error = error
