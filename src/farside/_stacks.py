"""Where the worker's threads are, as the worker reports it."""

from __future__ import annotations

from traceback import StackSummary

from ._transport import codec
from .errors import ProtocolError

SECONDS = 0.5
"""How long to wait for the answer. A worker that can give it does so in milliseconds."""

_TEXT_LIMIT = 50_000
"""Characters; there may be many threads."""


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
