"""Where the worker's threads are: asking for it, and waiting for a short while."""

from __future__ import annotations

import time
from functools import partial
from traceback import StackSummary
from typing import TYPE_CHECKING

from ._transport import codec
from ._transport.interrupts import try_lock
from .errors import ProtocolError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

SECONDS = 0.5
"""How long to wait for the answer. A worker that can give it does so in milliseconds."""

_TEXT_LIMIT = 50_000
"""Characters; there may be many threads."""

_LOOK_AGAIN = 0.01
"""Seconds after which to look whether the thread that receives has stopped receiving."""


class Stack:
    """The report of a worker's stack, once it has arrived.

    Attributes:
        text: the report, or None.
    """

    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text: str | None = None

    def arrive(self, body: bytes | bytearray) -> None:
        """Take the report in.

        Raises:
            ProtocolError: it cannot be read.
        """
        try:
            texts = [_format(title, places) for title, places in codec.loads(body)]
        except Exception as error:
            raise ProtocolError(f"a report of stacks that cannot be read: {error}") from error
        text = "\n".join(texts)
        if len(text) > _TEXT_LIMIT:
            text = f"{text[:_TEXT_LIMIT]}\n… {len(text) - _TEXT_LIMIT} characters left out …\n"
        self.text = text.encode("utf-8", "backslashreplace").decode()


def _format(title: str, places: list[tuple[str, int, str]]) -> str:
    lines = StackSummary.from_list([(file, line, name, None) for file, line, name in places])
    return f"{title}:\n{''.join(lines.format())}"


def await_stack(
    stack: Stack, reading: threading.RLock, receive: Callable[[float], object]
) -> str | None:
    """Wait for the report, `SECONDS` at most; None when it does not come.

    Args:
        stack: where it arrives.
        reading: the lock of whoever receives; another thread may hold it, for as long as it likes.
        receive: receives, for some seconds at most, with the lock.
    """
    deadline = time.monotonic() + SECONDS
    while stack.text is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        if try_lock(reading, partial(_receive, receive, left)) is None:
            time.sleep(min(_LOOK_AGAIN, left))
    return stack.text


def _receive(receive: Callable[[float], object], seconds: float) -> bool:
    receive(seconds)
    return True
