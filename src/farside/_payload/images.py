"""Reduces Pillow images to out-of-band buffers. Imported only if Pillow already is.

Pillow's own pickle calls its encoder, 64 KiB at a time. From release 11.3 on, Pillow tells by
Arrow's interface where the pixels lie, and the buffer is taken from there.
"""

from __future__ import annotations

import ctypes
import sys
from functools import partial
from typing import Any
from weakref import ref

from .memory_at import buffer_at
from .reducers import Reduced, reduce_by_default

_BYTES = {"L": 1, "RGB": 4, "RGBX": 4, "RGBA": 4, "CMYK": 4, "I;16": 2}
"""By mode, how many bytes a pixel takes in memory. Pillow itself pickles images of other modes."""

_FOREIGN = "_farside_lies_on_foreign_memory"
"""An attribute of images that are made here on memory that is not Pillow's. Copies lack it."""


def reduce_image(image: Any) -> Reduced:
    """Reduce an image, or one of a subclass that pickles likewise."""
    image.load()
    width, height = image.size
    nbytes = width * height * _BYTES.get(image.mode, 0)
    module = sys.modules["PIL.Image"]
    if type(image) is not module.Image or not nbytes:
        return reduce_by_default(image)
    # Until Pillow 13, Arrow's interface reads a block that an image on foreign memory does not
    # have, and the process ends by SIGSEGV. And rows of an aligned image have gaps between them.
    if image.readonly or hasattr(image, _FOREIGN) or module.core.get_alignment() != 1:
        return reduce_by_default(image)
    try:
        _, array = image.__arrow_c_array__()
        address = _find_pixels(array)
    except (AttributeError, ValueError):  # an older release; or a large image, in several pieces
        return reduce_by_default(image)
    return rebuild_image, (image.mode, image.size, image.info, buffer_at(address, nbytes, array))


def rebuild_image(mode: str, size: tuple[int, int], info: Any, pixels: Any) -> Any:
    from PIL import Image  # the user's

    if mode == "RGB":  # in memory, this mode too has four bytes for a pixel
        image = Image.frombytes(mode, size, pixels, "raw", "RGBX")
    else:
        image = Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)
        image.readonly = int(memoryview(pixels).readonly)  # nobody else uses this memory
        setattr(image, _FOREIGN, True)
        # Pillow's method would read a block that this image does not have, but a copy of it has.
        # This attribute hides that method.
        image.__arrow_c_array__ = partial(_export_copy, ref(image))
    image.info = info
    return image


def _export_copy(image: Any, requested_schema: Any = None) -> Any:
    """Give Arrow the pixels of a copy; `image` is a weak reference to an image made here."""
    return image().copy().__arrow_c_array__(requested_schema)


class _ArrowArray(ctypes.Structure):
    """An array, as Arrow's C interface describes it."""

    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.POINTER(ctypes.c_void_p)),  # of such arrays
    )


_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def _find_pixels(capsule: Any) -> int:
    array = _ArrowArray.from_address(_pointer_of(capsule, b"arrow_array"))
    if array.n_children:  # pixels of several bytes are in a child array
        array = _ArrowArray.from_address(array.children[0])
    return array.buffers[1]  # type: ignore[no-any-return]
