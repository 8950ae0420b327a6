"""Names a shard in an error by what the user gave for it, such as the path of a file.

No ``__repr__`` or ``__str__`` of the user's is called for this. It might raise, or take long, while
the error is on its way to the loop.
"""

from __future__ import annotations

from typing import Any

_LONGEST = 200  # characters of a text that are shown: enough for a path
_MOST = 4  # parts that are shown: enough for a path and a range in its file
_WIDEST = 1 << 63  # larger integers are no positions, and Python may refuse to print them


def name_of(shard: Any) -> str:
    """Return the name of a shard: a text, a path, or a sequence that has one; else no text."""
    if type(shard) not in {tuple, list}:
        return _shown(shard) if _is_name(shard) else ""
    parts = shard[:_MOST]
    if not any(map(_is_name, parts)):
        return ""
    rest = ["…"] if len(shard) > _MOST else []
    return ", ".join([*map(_shown, parts), *rest])


def _is_name(part: Any) -> bool:
    from pathlib import Path, PurePosixPath  # nothing else of the parent needs it

    return type(part) in {str, type(Path()), PurePosixPath}


def _shown(part: Any) -> str:
    if _is_name(part):
        text = str(part)
        return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    if type(part) is int and abs(part) < _WIDEST:
        return repr(part)
    return repr(part) if type(part) in {float, bool, type(None)} else "…"
