"""Acts when user code imports a module that would take too long to import beforehand."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def when_imported(module: str, act: Callable[[], object]) -> None:
    """Call something as soon as a module is imported, now if it is."""
    if module in sys.modules:
        act()
    else:
        sys.meta_path.insert(0, _Hook(module, act))


class _Hook:
    """Finds a module as other finders do, loads it with the loader found, and acts then, once.

    User code may look for the module without loading it.
    """

    def __init__(self, module: str, act: Callable[[], object]) -> None:
        self._module = module
        self._act = act
        self._loader: Any = None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._module or self not in sys.meta_path:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec: Any = finder.find_spec(name, path, target)
            if spec is not None:
                # A finder may give the same one again.
                if spec.loader is not None and spec.loader is not self:
                    self._loader, spec.loader = spec.loader, self
                return spec
        return None

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        # The module looks as if there had been no hook.
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self._act()
