"""What a value of plain classes says, as bytes: the same for equal values, on both sides."""

from __future__ import annotations

import io
import pickle

from .._in_c import SimpleNamespace
from .plain_classes import plain_classes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def tell(value: Any) -> bytes:
    """Return what a value says; raise if it has no piece (see `joined`), or is nested too deep.

    Which texts in it are one object may differ, and what the main module is called.
    """
    file = io.BytesIO()
    pickler: Any = _Teller(file, 3)
    pickler.dispatch_table = SimpleNamespace(get=lambda cls, *_: plain_classes[cls])
    pickler.dump(value)
    return file.getvalue().replace(b"c__mp_main__\n", b"c__main__\n")


class _Teller(pickle._Pickler):  # noqa: SLF001  the one in Python can be told what gets no number
    def memoize(self, obj: Any) -> None:
        if type(obj) not in _UNNUMBERED:
            super().memoize(obj)  # type: ignore[misc]


_UNNUMBERED = frozenset({str, bytes, type})
