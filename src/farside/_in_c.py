"""The C parts of the standard library, without the Python around them, which costs start-up time.

`FREE_THREADED` says whether Python was built to run without a GIL.
"""

from __future__ import annotations

import sys

__all__ = [
    "FREE_THREADED", "Lock", "RLock", "SimpleNamespace", "deque", "get_ident", "index",
    "length_hint", "local", "partial",
]  # fmt: skip

FREE_THREADED = "t" in getattr(sys, "abiflags", "")  # Windows has none

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from functools import partial
    from operator import index, length_hint
    from threading import Lock, RLock, get_ident, local
    from types import SimpleNamespace
else:
    from _collections import deque
    from _functools import partial
    from _operator import index, length_hint
    from _thread import RLock, get_ident
    from _thread import _local as local
    from _thread import allocate_lock as Lock  # noqa: N812  as it is called elsewhere

    SimpleNamespace = type(sys.implementation)
