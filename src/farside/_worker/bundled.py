"""Imports modules whose code the parent has at hand (see `_backends.bundle`).

A new interpreter runs the code of this module before it imports anything of farside, so nothing
is imported here that it does not have already.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any, TypeAlias

    Module: TypeAlias = tuple[str, str, tuple[str, ...] | None, int, int]
    """Name, file, folders of submodules if it is a package; where its code begins, and its size."""


class BundleFinder:
    """Finds modules of a bundle, each once. They look as if they had been imported from their file.

    The code of each, as `marshal` has it, is read from an open file.
    """

    def __init__(self, modules: Iterable[Module], fd: int) -> None:
        self._modules = {module[0]: module for module in modules}
        self._fd = fd
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        """Return the spec of a module, or None if it is not there."""
        found = self._modules.pop(name, None)
        if found is None:
            return None
        _name, file, folders, start, size = found
        loader: Any = SourceFileLoader(name, file)

        def get_code(*_: Any) -> CodeType:
            del loader.get_code  # from now on it is an ordinary loader
            data = os.pread(self._fd, size, start)
            code: CodeType = marshal.loads(data)  # noqa: S302  of the parent, which is this process
            return code

        loader.get_code = get_code
        spec = ModuleSpec(name, loader, origin=file, is_package=folders is not None)
        spec.has_location = True
        if folders is not None:
            spec.submodule_search_locations = [*folders]
        return spec

    def remove(self) -> None:
        """Find nothing any more."""
        sys.meta_path.remove(self)
