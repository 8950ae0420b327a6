"""What an item shows, as plain values: to compare what arrived with what was made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def seen(item: Any) -> Any:
    """Return what an item shows now."""
    if isinstance(item, dict):
        return {key: seen(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return type(item).__name__, [seen(each) for each in item]
    if item is None or isinstance(item, (bool, int, float, str, bytes)):
        return item
    return f"{type(item).__module__}.{type(item).__qualname__}", *_look(item)


def _look(item: Any) -> tuple[Any, ...]:
    look = next((look for name, look in _WAYS if hasattr(item, name)), None)
    return (repr(item),) if look is None else look(item)


def _digest(contents: Any) -> tuple[int, str]:
    return len(contents), hashlib.sha256(contents).hexdigest()


_WAYS: list[tuple[str, Callable[[Any], tuple[Any, ...]]]] = [
    ("c_contiguous", _digest),  # memoryview
    ("to_pydict", lambda arrow: (str(arrow.schema), arrow.to_pydict())),
    ("to_dicts", lambda polars: (str(polars.schema), polars.to_dicts())),
    ("to_records", lambda pandas: (str(pandas.dtypes), pandas.to_records().tolist())),
    ("toarray", lambda sparse: (sparse.format, _look(sparse.toarray()))),
    ("getbands", lambda image: (image.mode, image.size, _digest(image.tobytes()))),
    ("to_list", lambda series: (str(series.dtype), series.to_list())),
    ("dtype", lambda array: (str(array.dtype), tuple(array.shape), array.tolist())),
]
"""What each kind of item has that no other before it has, and how to look at it."""
