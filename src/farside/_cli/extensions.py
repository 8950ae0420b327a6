"""Which extension modules are loaded. It runs in subinterpreters too: nothing heavy here."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from os.path import commonpath, dirname


def after_import(module: str) -> list[str]:
    """Import a module; return the extension modules that are `loaded` then."""
    import_module(module)
    return loaded()


def loaded() -> list[str]:
    """Return the extension modules that are loaded, but Python's own."""
    own = dirname(dirname(os.path.abspath(os.__file__)))
    found = []
    for name, each in list(sys.modules.items()):
        spec = getattr(each, "__spec__", None)
        if isinstance(getattr(spec, "loader", None), ExtensionFileLoader):
            origin = getattr(spec, "origin", None) or ""
            if "-packages" in origin or commonpath([own, origin]) != own:
                found.append(name)
    return sorted(found)
