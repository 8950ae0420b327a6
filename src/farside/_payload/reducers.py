"""How items are pickled that pickle itself refuses, pickles with copies, or should refuse.

Each library has a small module with its reducers. It is imported where the library is there
already: a worker that never sees the library pays for nothing.
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
    ("polars", "DataFrame", "polars_frames.reduce_frame"),
    ("polars", "Series", "polars_frames.reduce_series"),
    ("PIL.Image", "Image", "images.reduce_image"),
    ("jaxlib._jax", "ArrayImpl", "jax_arrays.reduce_array"),
    ("ray._raylet", "ObjectRef", "reducers.reduce_ray_ref"),
)
"""A module of a library, a class of it, and the reducer for that class, which lies beside us."""


of_users: dict[type, Reduce] = {}  # of `register.register_reducer`; they come before all others


class Table(dict[type, "Callable[[Any], Any]"]):
    """Reducers of its own, and behind them those of copyreg, whenever they are registered."""

    # How many modules were imported when it was updated; -1: it has to be, whether or not more are.
    modules = -1

    # A method of a dict is C code: a class that is in neither costs some 100 ns.
    __missing__ = copyreg.dispatch_table.__getitem__

    def __init__(self) -> None:
        super().__init__({memoryview: reduce_memoryview})
        self.look_again()

    def look_again(self) -> None:
        """Take the reducers of the libraries that are there by now."""
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
    """Tell whether another than the library has told copyreg how a class is reduced."""
    reducer = copyreg.dispatch_table.get(cls)
    made_in = str(getattr(reducer, "__module__", ""))
    return reducer is not None and made_in.partition(".")[0] != library.partition(".")[0]


_of_items: Table | None = None


def table_of_items() -> Table:
    """Return the reducers for items: all that are known by now, and it follows when more are."""
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


def reduce_by_default(thing: Any) -> Reduced:
    return thing.__reduce_ex__(5)  # type: ignore[no-any-return]


def refuse_connection(connection: object) -> NoReturn:
    """Refuse what pickles as the number of a descriptor, which is another file elsewhere."""
    raise TypeError(
        f"cannot pickle a {type(connection).__name__} of multiprocessing: the number of its "
        "descriptor means another file on the other side; receive from it on this side, and send "
        "what came"
    )


def reduce_ray_ref(ref: Any) -> Reduced:
    """Reduce a reference to an object of Ray's as Ray itself does, which keeps what it sends.

    pickle alone leaves out who has the object: whoever asks for it then waits for ever.
    """
    from ray.cloudpickle import CloudPickler  # the user's

    # Ray puts its reducers there when it connects.
    return CloudPickler.dispatch[type(ref)](ref)  # type: ignore[no-any-return]


def reduce_memoryview(view: memoryview) -> tuple[Any, ...]:
    """Reduce a memoryview to its contents, which are out-of-band where they are large."""
    contents = view if view.c_contiguous else bytearray(view.tobytes())
    parts = pickle.PickleBuffer(contents), _native(view), view.shape, view.readonly
    return rebuild_memoryview, parts


def _native(view: memoryview) -> str:
    """Return the format of a view, as Python makes one of it; a TypeError if it makes none."""
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
    # An empty one cannot be cast to a shape.
    view = view.cast("B").cast(form, list(shape)) if view.nbytes else view.cast("B").cast(form)
    return view.toreadonly() if readonly else view
