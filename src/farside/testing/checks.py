"""What the contract suites check with. No test framework is needed."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

SECONDS = 20.0
"""Far more than anything takes; who waits so long has found a hang."""


class Raises(Generic[E]):
    """A context whose block must raise.

    Args:
        kind: what to raise.
        match: pattern to be found in the message.

    Attributes:
        value: what was raised.

    Example:
        >>> with Raises(ValueError, "invalid literal") as caught:
        ...     int("x")
        >>> type(caught.value).__name__
        'ValueError'
    """

    value: E

    def __init__(self, kind: type[E] | tuple[type[E], ...], match: str = "") -> None:
        self._kind = kind
        self._match = match

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Check what was raised."""
        assert error is not None, f"nothing was raised, {self._kind} should have been"
        if not isinstance(error, self._kind):
            return False
        assert re.search(self._match, str(error)), f"{str(error)!r} lacks {self._match!r}"
        self.value = error
        return True


def take(iterable: Iterable[T]) -> tuple[list[T], Exception | None]:
    """Iterate as far as it goes: what was got, and what was raised."""
    got: list[T] = []
    try:
        for item in iterable:
            got.append(item)  # noqa: PERF402  extend would lose what came before an error
    except Exception as error:
        return got, error
    return got, None


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.001)


class Background(Generic[T]):
    """A call in a thread of its own: what it returns or raises is seen, and none waits for long."""

    def __init__(self, function: Callable[..., T], *args: object, **kwargs: object) -> None:
        self._call = (function, args, kwargs)
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.thread: threading.Thread = threading.Thread(
            target=self._run, name="background", daemon=True
        )
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
