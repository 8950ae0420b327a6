"""How items are pickled that pickle itself refuses, or pickles with copies."""

from __future__ import annotations

import copyreg
import pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Table(dict[type, "Callable[[Any], Any]"]):
    """Reducers of its own, and behind them those of copyreg, whenever they are registered."""

    # A method of a dict is C code: a class that is in neither costs some 100 ns.
    __missing__ = copyreg.dispatch_table.__getitem__


def reduce_memoryview(view: memoryview) -> tuple[Any, ...]:
    """Reduce a memoryview to its contents, which are out-of-band where they are large."""
    contents = view if view.c_contiguous else bytearray(view.tobytes())
    return rebuild_memoryview, (
        pickle.PickleBuffer(contents),
        view.format,
        view.shape,
        view.readonly,
    )


def rebuild_memoryview(
    contents: Any,
    form: Any,
    shape: tuple[int, ...],
    readonly: bool,  # noqa: FBT001  it is data
) -> memoryview:
    """Make a memoryview of contents."""
    view = memoryview(contents)
    if view.nbytes:  # an empty one cannot be cast to a shape
        view = view.cast("B").cast(form, list(shape))
    return view.toreadonly() if readonly else view
