"""What `pickle` is made of, without the Python around it: importing that is start-up time."""

from __future__ import annotations

__all__ = ["pickle"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pickle
else:
    try:
        import _pickle as pickle
    except ImportError:  # pragma: no cover  not CPython
        import pickle
