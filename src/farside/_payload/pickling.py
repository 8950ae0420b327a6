"""Turns objects into bytes and back: pickle protocol 5, with out-of-band buffers beside the pickle.

A body without buffers is the pickle alone (which begins with 0x80). With buffers, it is a table and
the pickle::

    b"B" 7×0 | count u64 | length of the pickle u64 | length of each buffer u64 … | pickle

The buffers are in blocks of shared memory, or follow in the body, from a multiple of `ALIGN` on.
`parts` has how they share a place.

Plain pickle comes first. What it refuses (lambdas, closures, functions of ``__main__`` …) goes
through cloudpickle where that is installed.
"""

from __future__ import annotations

import _pickle as pickle  # without the Python module around it, which costs start-up time
import io
import os
import struct
from _thread import RLock
from sys import modules

from .._memory.parts import ALIGN, parts_of, runs, together
from . import handlers
from .reducers import Table, table_of_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from .._memory.arena import Arena
    from .._memory.parts import Part, Ref

    Body: TypeAlias = bytes | bytearray | memoryview
    Offer: TypeAlias = Callable[[pickle.PickleBuffer], object]

_TABLE_MARK = b"B"
_START = struct.Struct("<8sQQ")


def dumps(obj: object, table: Table | None = None, *, main_by_value: bool = False) -> list[Part]:
    """Pickle an object of the user's, with the reducers of a table; default: those for items.

    Returns what to send, in order. The parts refer to the object's own buffers: they must be sent
    before the object can change. If cloudpickle fails too, its exception is raised. With
    `main_by_value`, the other side has no main module like this one.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = dumps_by_reference(obj, buffers.append, table)
        if main_by_value:
            refuse_main([data])
    except Exception as error:
        buffers.clear()
        by_value = None if handlers.raised(error) else dumps_by_value(obj, buffers.append, table)
        if by_value is None:
            raise
        data = by_value
    return _join(data, [buffer.raw() for buffer in buffers]) if buffers else [data]


def dumps_plain(obj: object) -> list[Part]:
    """Pickle data of farside's own, plain values and buffers, in half the time of `dumps`."""
    return dumps_beside(obj, None)[0]


def dumps_by_reference(
    obj: object, buffer_callback: Offer | None = None, table: Table | None = None
) -> bytes:
    """Pickle functions and classes as their names; large buffers go to `buffer_callback`."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, 5, buffer_callback=buffer_callback)
    pickler.dispatch_table = table_of_items() if table is None else table
    pickler.dump(obj)
    return file.getvalue()


def refers_to_main(data: bytes) -> bool:
    """Tell whether anything in a pickle is defined in the main module."""
    if b"_main__" not in data:
        return False
    import pickletools  # few objects are defined there

    # Names of modules are short strings, or part of a GLOBAL; a longer text that happens to
    # hold the word is none. In a worker, the main module has the second name.
    return any(
        isinstance(arg, str) and arg.split(" ")[0] in {"__main__", "__mp_main__"}
        for _, arg, _ in pickletools.genops(data)
    )


def refuse_main(chunks: Sequence[bytes]) -> None:
    """Raise PicklingError if a pickle refers to the main module.

    If cloudpickle can take over, raise it too if the pickle only mentions that name: to look closer
    may take a hundred times as long as pickling.
    """
    if True in [b"_main__" in each for each in chunks] and (
        has_cloudpickle() or refers_to_main(b"".join(chunks))
    ):
        raise pickle.PicklingError(f"it refers to {MAIN_STAYS_HERE}")


MAIN_STAYS_HERE = (
    "__main__, which a worker cannot import here (an interactive session, -c, standard input, or "
    "python -m package, or a folder or zip file that Python runs)"
)


def has_cloudpickle() -> bool:
    try:
        return cloud_pickler() is not None
    except Exception:
        return True  # it is installed; but no descriptors are left, for example


def or_cloudpickle(problem: str = "") -> str:
    """Return the end of the cure for something that does not pickle; `problem` is an exception.

    Something without an importable name raises PicklingError or AttributeError. A lock, a file or a
    generator raises TypeError, and cloudpickle does not help.
    """
    helps = not problem.startswith("TypeError") and not has_cloudpickle()
    return ", or install cloudpickle" if helps else ""


def dumps_beside(obj: object, arena: Arena | None) -> tuple[list[Part], list[Ref]]:
    """Pickle as `dumps_plain` does, with the buffers in blocks if all find room."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(obj, 5, buffer_callback=buffers.append)
    if not buffers:
        return [data], []
    views = [buffer.raw() for buffer in buffers]
    refs = None if arena is None else _store(arena, views)
    return (_join(data, views), []) if refs is None else ([_table(data, views), data], refs)


def loads(body: Body, blocks: Sequence[memoryview] = ()) -> Any:  # it is whatever was pickled
    """Unpickle a body. Buffers are writable views of the body or blocks, and keep these alive.

    Without a table, each block is a buffer: so comes the job of a worker on Ray.
    """
    if body[:1] != _TABLE_MARK:
        return pickle.loads(body, buffers=blocks)  # both sides run the same user's code
    view = memoryview(bytearray(body) if isinstance(body, bytes) and not blocks else body)
    _, count, length = _START.unpack_from(view)
    sizes = struct.unpack_from(f"<{count}Q", view, _START.size)
    begin = _START.size + 8 * count
    end = begin + length
    if blocks:
        buffers: list[memoryview] = []
        for block, run in zip(blocks, runs(sizes)):  # noqa: B905  same length; strict costs here
            buffers += parts_of(block, sizes[run])
    else:
        buffers = parts_of(view[end + -end % ALIGN :], sizes)
    return pickle.loads(view[begin:end], buffers=buffers)


def _store(arena: Arena, views: list[memoryview]) -> list[Ref] | None:
    """Copy buffers into blocks of the arena; None: there is no room for all."""
    refs: list[Ref] = []
    for run in runs(list(map(len, views))):
        ref = arena.store(*together(views[run]))
        if ref is None:
            for each in refs:
                arena.free(each)
            return None
        refs.append(ref)
    return refs


def _table(data: bytes, views: Sequence[memoryview]) -> bytes:
    count = len(views)
    return _START.pack(_TABLE_MARK, count, len(data)) + struct.pack(f"<{count}Q", *map(len, views))


def _join(data: bytes, views: Sequence[memoryview]) -> list[Part]:
    table = _table(data, views)
    return [table, data, bytes(-(len(table) + len(data)) % ALIGN), *together(views)[0]]


_importing = RLock()
"""Held while cloudpickle is imported, so that no thread forks meanwhile. In the child, the import
lock of that module would stay locked, and the child could never import it."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire,
        after_in_parent=_importing.release,
        after_in_child=_importing.release,
    )


def cloud_pickler() -> Any:
    """Return the pickler of cloudpickle, or else of Ray if that is imported; else None."""
    try:
        with _importing:
            from cloudpickle import Pickler  # optional, and heavy
    except ImportError:
        if "ray" not in modules:
            return None
        from ray.cloudpickle import Pickler
    return Pickler


def dumps_by_value(
    obj: object, buffer_callback: Offer | None = None, table: Table | None = None
) -> bytes | None:
    """Pickle with cloudpickle, which accepts more; return None if it is not installed."""
    base = cloud_pickler()
    if base is None:
        return None
    import types  # both picklers have imported this already, and `collections` too
    from collections import ChainMap

    lazy = getattr(types, "LazyImportType", None)  # from Python 3.15 on
    of_lazy = {} if lazy is None else {lazy: _reduce_lazy}
    ours = {**(table_of_items() if table is None else table), **of_lazy}
    file = io.BytesIO()
    pickler = base.__new__(base)
    pickler.dispatch_table = ChainMap(ours, base.dispatch_table)  # read by __init__
    pickler.__init__(file, protocol=5, buffer_callback=buffer_callback)
    pickler.dump(obj)
    return file.getvalue()


def _reduce_lazy(found: Any) -> tuple[Any, ...]:
    """Reduce the placeholder of a lazy import that a function's globals hold, not used so far."""
    return _same, (found.resolve(),)


def _same(thing: Any) -> Any:
    return thing
