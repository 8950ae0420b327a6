"""Reducers for items that pickle itself refuses, pickles with copies, or should refuse.

The reducers for a library are in a small module, which is imported only if the library already is.
So a worker that never imports the library pays for nothing.
"""

from __future__ import annotations

import _pickle as pickle
import copyreg
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn, TypeAlias


Reduce: TypeAlias = "Callable[[Any], Any]"
Reduced: TypeAlias = "str | tuple[Any, ...]"  # what ``__reduce__`` returns
OF_LIBRARIES = (
    ("multiprocessing.connection", "Connection", "reducers.refuse_connection"),
    ("numpy", "ndarray", "ndarrays.reduce_array"),
    ("numpy.ma", "MaskedArray", "ndarrays.reduce_masked"),
    ("torch", "Tensor", "tensors.reduce_tensor"),
    ("torch.storage", "TypedStorage", "tensors.reduce_storage"),
    ("torch.storage", "UntypedStorage", "tensors.reduce_storage"),
    ("pyarrow.lib", "Array", "arrow.reduce_array"),
    ("pyarrow.lib", "RecordBatch", "arrow.reduce_batch"),
    ("pyarrow.lib", "Table", "arrow.reduce_table"),
    ("pandas", "DataFrame", "pandas_frames.reduce_frame"),
    ("pandas.arrays", "ArrowStringArray", "pandas_frames.reduce_strings"),
    ("polars", "DataFrame", "polars_frames.reduce_frame"),
    ("polars", "Series", "polars_frames.reduce_series"),
    ("PIL.Image", "Image", "images.reduce_image"),
    ("jaxlib._jax", "ArrayImpl", "jax_arrays.reduce_array"),
    ("ray._raylet", "ObjectRef", "reducers.reduce_ray_ref"),
)
"""A module of a library, a class in it, and the reducer for that class, in a module beside this."""


of_users: dict[type, Reduce] = {}  # by `register.register_reducer`; they come before all others


class Table(dict[type, "Callable[[Any], Any]"]):
    """Reducers of its own, and behind them those of copyreg, also those registered later."""

    # How many modules were imported at the last update; -1 if it needs another one in any case.
    modules = -1

    # A method of a dict is C code, so a class that is in neither table costs only some 100 ns.
    __missing__ = copyreg.dispatch_table.__getitem__

    def __init__(self) -> None:
        super().__init__({memoryview: reduce_memoryview})
        self.look_again()

    def look_again(self) -> None:
        """Add the reducers for the libraries that are imported by now."""
        count = len(sys.modules)
        for library, name, reducer in OF_LIBRARIES:
            module = sys.modules.get(library)
            if module is None:
                continue
            cls = getattr(module, name, None)
            if cls is None:  # another thread is just importing it
                count = -1
            else:
                file, _, function = reducer.partition(".")
                ours = __import__(f"{__package__}.{file}", fromlist=[function])
                reduce = getattr(ours, function)
                for each in alike(cls):
                    if _is_of_user(each, library):
                        self.pop(each, None)
                    else:
                        self[each] = reduce
        self.update(of_users)
        self.modules = count


def _is_of_user(cls: type, library: str) -> bool:
    """Tell whether copyreg has a reducer for a class that is not the library's own."""
    reducer = copyreg.dispatch_table.get(cls)
    made_in = str(getattr(reducer, "__module__", ""))
    return reducer is not None and made_in.partition(".")[0] != library.partition(".")[0]


_of_items: Table | None = None


def table_of_items() -> Table:
    """Return the table of reducers for items, with those for all libraries imported by now."""
    global _of_items  # noqa: PLW0603  there is one, so that what is registered counts at once
    if _of_items is None:
        _of_items = Table()
    elif _of_items.modules != len(sys.modules):
        _of_items.look_again()
    return _of_items


def alike(cls: type) -> Iterator[type]:
    """Yield a class and those of its subclasses that pickle as it does."""
    yield cls
    ways = ("__reduce__", "__reduce_ex__", "__getstate__")
    sub: type
    for sub in type.__subclasses__(cls):
        # A list: an exception of a signal handler would be lost in a generator that is dropped.
        if False not in [getattr(sub, way, None) is getattr(cls, way, None) for way in ways]:
            yield from alike(sub)


MOST_KEPT = 256  # descriptions of alike things, such as dtypes, schemas and classes


def keep(kept: dict[Any, Any], key: Any, found: Any) -> Any:
    """Keep what was found for a key, and return it. If there is too much, all else is forgotten."""
    if len(kept) >= MOST_KEPT:
        kept.clear()  # another thread may do so at any moment
    kept[key] = found
    return found


def is_exactly(thing: Any, cls: type) -> bool:
    """Tell whether something is of a class itself, and the user does not say how to pickle that."""
    return type(thing) is cls and cls not in of_users and cls not in copyreg.dispatch_table


def reduce_by_default(thing: Any) -> Reduced:
    reducer = copyreg.dispatch_table.get(type(thing))  # the user may have registered it meanwhile
    return thing.__reduce_ex__(5) if reducer is None else reducer(thing)


def refuse_connection(connection: object) -> NoReturn:
    """Refuse a connection: it pickles as a descriptor number, which is another file elsewhere."""
    raise TypeError(
        f"cannot pickle a {type(connection).__name__} of multiprocessing: the number of its "
        "descriptor means another file on the other side; receive from it on this side, and send "
        "what came"
    )


def reduce_ray_ref(ref: Any) -> Reduced:
    """Reduce a reference to a Ray object as Ray itself does, which keeps the object alive.

    Plain pickle leaves out who owns the object, so whoever asks for the object waits for ever.
    """
    from ray.cloudpickle import CloudPickler  # the user's

    # Ray puts its reducers there when it connects.
    return CloudPickler.dispatch[type(ref)](ref)  # type: ignore[no-any-return]


def reduce_memoryview(view: memoryview) -> tuple[Any, ...]:
    """Reduce a memoryview to its contents, which go out of band if they are large."""
    contents = view if view.c_contiguous else bytearray(view.tobytes())
    parts = pickle.PickleBuffer(contents), _native(view), view.shape, view.readonly
    return rebuild_memoryview, parts


def _native(view: memoryview) -> str:
    """Return the format of a view as `memoryview.cast` takes it; raise TypeError if it does not."""
    form: Any = view.format
    if form[:1] in {"@", "=", "<" if sys.byteorder == "little" else ">"}:
        form = form[1:]  # as ctypes writes it
    try:
        same = memoryview(bytes(view.itemsize)).cast(form).itemsize == view.itemsize
    except ValueError:
        same = False
    if not same:
        raise TypeError(
            f"a memoryview of the format {view.format!r} cannot be made again; yield "
            "view.cast('B'), or a NumPy array"
        )
    return str(form)


def rebuild_memoryview(
    contents: Any,
    form: Any,
    shape: tuple[int, ...],
    readonly: bool,  # noqa: FBT001  it is data
) -> memoryview:
    view = memoryview(contents)
    # An empty view cannot be cast to a shape.
    view = view.cast("B").cast(form, list(shape)) if view.nbytes else view.cast("B").cast(form)
    return view.toreadonly() if readonly else view
