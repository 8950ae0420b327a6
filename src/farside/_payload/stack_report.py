"""Where the worker's threads are, as the worker reports it."""

from __future__ import annotations

from traceback import StackSummary

from ..errors import ProtocolError
from . import pickling

_TEXT_LIMIT = 50_000
"""Characters; there may be many threads."""


def read_stack(body: bytes | bytearray | memoryview) -> str:
    """Read where the worker's threads are."""
    try:
        texts = [_format(title, places) for title, places in pickling.loads(body)]
    except Exception as error:
        raise ProtocolError(f"a report of stacks that cannot be read: {error}") from error
    text = "\n".join(texts)
    if len(text) > _TEXT_LIMIT:
        text = f"{text[:_TEXT_LIMIT]}\n… {len(text) - _TEXT_LIMIT} characters left out …\n"
    return text.encode("utf-8", "backslashreplace").decode()


def _format(title: str, places: list[tuple[str, int, str]]) -> str:
    lines = StackSummary.from_list([(file, line, name, None) for file, line, name in places])
    return f"{title}:\n{''.join(lines.format())}"
