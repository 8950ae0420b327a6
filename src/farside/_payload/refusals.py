"""Records the extension modules that refuse to load in this subinterpreter.

A library may swallow the refusal, and fail only when it needs the missing module. The error then
says nothing about the cause.
"""

from __future__ import annotations

import sys
from _frozen_importlib_external import ExtensionFileLoader  # importlib.machinery has to be imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PHRASE = "does not support loading in subinterpreters"  # what Python says of every one of them

_CRASHES = frozenset({"torch._C"})
"""Modules that do not support subinterpreters, and end the process before they can refuse.

Python (3.13 to 3.15) first runs the code of an old extension module in the main interpreter. The
code of these modules imports further modules there.
"""

refused: dict[str, str] = {}  # full name of a module to its name in messages


def record() -> None:
    """Record refusals from now on. It costs nothing unless an extension module is loaded."""
    create = ExtensionFileLoader.create_module

    def create_module(self: ExtensionFileLoader, spec: ModuleSpec) -> ModuleType:
        try:
            if spec.name in _CRASHES:
                raise ImportError(f"module {spec.name} {PHRASE}", name=spec.name)
            return create(self, spec)
        except ImportError as error:
            if PHRASE in str(error) and not _goes_on_without(spec.name):
                refused[spec.name] = _describe(spec.name)
            raise

    # Python leaves frames of its import system out of tracebacks, and knows them by their file.
    create_module.__code__ = create_module.__code__.replace(co_filename=create.__code__.co_filename)
    ExtensionFileLoader.create_module = create_module  # type: ignore[method-assign]


def _goes_on_without(module: str) -> bool:
    """Tell whether the importer continues without the module, as pdb, code and cmd do."""
    return module == "readline" and _importer().partition(".")[0] in sys.stdlib_module_names


def _describe(module: str) -> str:
    """Name a module for a message, with its importer if the module's own name is private."""
    package = _importer().partition(".")[0]
    known = not module.startswith("_") or package in {"", module.partition(".")[0]}
    return module if known else f"{module} (imported by {package})"


def _importer() -> str:
    """Return the name of the module that imports what is being loaded."""
    frame = sys._getframe()  # noqa: SLF001  that is its public name
    while frame.f_back is not None:
        frame = frame.f_back
        name = str(frame.f_globals.get("__name__", ""))
        if name != __name__ and "importlib" not in name:
            return name
    return ""
