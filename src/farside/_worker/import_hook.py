"""Runs code when user code imports a module that would take too long to import beforehand."""

from __future__ import annotations

import sys

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def when_imported(module: str, act: Callable[[], object]) -> None:
    """Call `act` as soon as a module is imported: at once if it has been.

    Asking for the same again, before the module is imported, changes nothing.
    """
    if sys.modules.get(module) is not None:  # None there forbids the import
        __import__(module)  # another thread may just be importing it: wait until it has
        act()
    elif (finder := _Finder(module, act)) not in sys.meta_path:
        sys.meta_path.insert(0, finder)


class _Finder(NamedTuple):
    """Finds a module by the other finders, until it is loaded: it may be found and not loaded."""

    module: str
    act: Callable[[], object]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.module or self not in sys.meta_path:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Loads a module with another loader, and then calls `act`, once."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self._loader = loader
        self._finder = finder

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        # So that nothing in the module shows that there was a hook.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
            self._finder.act()
