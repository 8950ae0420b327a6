"""What workers run for `bench` and `check`. Subinterpreters import it too: nothing heavy here."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from itertools import count, repeat
from os.path import commonpath, dirname
from pickle import PickleBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ints = count


def dicts() -> Iterator[dict[str, Any]]:
    """Yield small dictionaries, such as the samples of a data set."""
    for number in count():
        yield {"id": number, "label": "cat", "weight": 0.5, "tokens": [1, 2, 3, 4]}


def blocks(nbytes: int) -> Iterator[PickleBuffer]:
    return repeat(PickleBuffer(bytearray(nbytes)))


blocks_100k, blocks_1m = partial(blocks, 100_000), partial(blocks, 1_000_000)


def after_import(module: str) -> list[str]:
    """Import a module; return the extension modules that are `loaded` afterwards."""
    import_module(module)
    return loaded()


def loaded() -> list[str]:
    """Return the extension modules that are loaded, without Python's own."""
    own = dirname(dirname(os.path.abspath(os.__file__)))
    found = []
    for name, each in list(sys.modules.items()):
        spec = getattr(each, "__spec__", None)
        if isinstance(getattr(spec, "loader", None), ExtensionFileLoader):
            origin = getattr(spec, "origin", None) or ""
            if "-packages" in origin or commonpath([own, origin]) != own:
                found.append(name)
    return sorted(found)
