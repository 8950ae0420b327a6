"""Loads modules from code that the parent has read already (see `_backends.bundle`).

A new interpreter runs the code of this module before it imports anything of farside. So this module
imports only what the interpreter has already, or needs anyway.
"""

from __future__ import annotations

import marshal
import mmap
import sys
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import SourceFileLoader, spec_from_file_location
from _functools import partial  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Module: TypeAlias = tuple[str, str, tuple[str, ...] | None, int, int]
    """Name, file, folders of submodules if it is a package; where its code begins, and its size."""


def load_modules(modules: Iterable[Module], fd: int) -> None:
    """Run the code of modules, which then look as if they had been imported from their files.

    Each module comes after those that it imports, so that Python need not search for any: this
    saves a sixth of the time. A module that is already imported stays as it is. The file `fd` has
    the code of all modules, in the format of `marshal`.
    """
    # Mapped, not read: memory of freed bytes that lie among other objects is not given back.
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as whole, memoryview(whole) as codes:
        for name, file, folders, start, size in modules:
            parent, _, own_name = name.rpartition(".")
            if parent:
                __import__(parent)  # the bundle lacks it if it has another loader
            if name in sys.modules:
                continue
            paths = None if folders is None else [*folders]
            spec = spec_from_file_location(
                name, file, loader=SourceFileLoader(name, file), submodule_search_locations=paths
            )
            assert spec is not None  # it has a loader
            module = module_from_spec(spec)
            sys.modules[name] = module
            code = marshal.loads(codes[start : start + size])  # noqa: S302  of this very process
            exec(code, vars(module))  # noqa: S102
            if parent:
                setattr(sys.modules[parent], own_name, module)


def import_pickle() -> None:
    """Import `_pickle` without `functools`, of which it needs only one class, written in C.

    `functools` and its own imports take some 600 KiB. No other thread exists yet that could find
    the stand-in.
    """
    if "functools" in sys.modules:
        return
    stand_in: Any = type(sys)("functools")
    stand_in.partial = partial
    sys.modules["functools"] = stand_in
    try:
        import _pickle  # noqa: F401
    finally:
        del sys.modules["functools"]
