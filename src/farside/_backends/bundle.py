"""Reads the code of the modules that each worker imports, once for all subinterpreters.

A new interpreter has none of the modules of the others. Finding them, and reading and checking the
file of each, is a large part of its start. Where Python cannot write ``.pyc`` files, each
interpreter would even compile all of them again.
"""

from __future__ import annotations

import marshal
import os
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .._system.descriptors import Descriptor, opened

if TYPE_CHECKING:
    from .._worker.bundled import Module

PYTHON = ("__future__", "_py_warnings", "warnings", "struct", "copyreg", "_compat_pickle")
"""Python's own modules, of which not every version has all. `_pickle` imports the last two."""

_FARSIDE = (
    "_link _memory _in_c _system _system.signals errors _memory.blocks _memory.mapping"
    " _named_tuple _memory.parts _memory.arena _link.control _link.frames _link.worker_base"
    " _link.writer _link.spinning _link.worker_pipes _memory.allocate _payload"
    " _payload.refusals _payload.worker_info _payload.true_parts _payload.handlers"
    " _payload.reducers _payload.pickling _payload.records _protocol _protocol.codes"
    " _protocol.messages _worker _worker.import_hook _worker.forward _payload.job"
    " _payload.failure _payload.plain_classes _payload.joined _payload.plain _payload.row_code"
    " _payload.rows _payload.items _protocol.worker _worker.iterables _payload.verbosity"
    " _worker.load _protocol.credit _payload.encoder _protocol.progress _worker.threads"
    " _worker.flusher _worker.frame_limits _worker.outbox _worker.passing _worker.snapshots"
    " _worker.tasks _worker.loops _worker.maker _worker.execute _worker.finalizers"
    " _worker.stacks _worker.listener _worker.serve _worker.interpreter"
)

LOADER = "farside._worker.bundled"  # the module that loads a bundle
NAMES = (*PYTHON, "farside", *(f"farside.{name}" for name in _FARSIDE.split()))
"""What the entry point of a subinterpreter imports. Each module comes after those that it imports.

Tests compare the names and their order with what is imported. A module that is missing here or
comes too late is imported from its file. One too many is of no use."""


def open_file() -> tuple[bytes, Descriptor] | None:
    """Return the catalogue, and an anonymous file with the code, for one interpreter."""
    # Bytes that are handed over would cost each interpreter memory: freed memory that lies between
    # other objects is not given back. The result is None if the system has no anonymous files, or
    # if the code of farside is not in files.
    made = make()
    if made is None:
        return None
    catalogue, code = made
    try:
        file = opened(lambda: os.memfd_create("farside-modules"))
        whole = os.write(file.fileno(), code) == len(code)
    except (AttributeError, OSError):  # not Linux, a policy, no descriptors, or no memory
        return None
    return (catalogue, file) if whole else None


@cache
def make() -> tuple[bytes, bytes] | None:
    """Read the code of the modules; return a catalogue, and the code of all.

    The catalogue has the code of `LOADER`, a tuple of `Module` for Python's own modules, and one
    for those of farside.

    The code is what this process has imported, or would import. So all workers run the same code,
    whatever becomes of ``sys.path`` or of the files. A module without its own file, or with another
    loader than Python's usual one, is left out, and the interpreter imports it by itself.
    """
    loader = _read(LOADER)
    if loader is None:
        return None
    modules: list[Module] = []
    parts, size = [], 0
    for name in NAMES:
        found = _read(name)
        if found is not None:
            file, folders, code = found
            modules.append((name, file, folders, size, len(code)))
            parts.append(code)
            size += len(code)
    of_python = tuple([each for each in modules if each[0] in PYTHON])
    own = tuple(modules[len(of_python) :])
    code = marshal.loads(loader[-1])  # noqa: S302  it is our own
    return marshal.dumps((code, of_python, own)), b"".join(parts)


def _read(name: str) -> tuple[str, tuple[str, ...] | None, bytes] | None:
    """Return the file of a module, the folders of its submodules, and its code."""
    try:
        spec = find_spec(name)
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        code = spec.loader.get_code(name)
    except Exception:  # whatever is wrong, the interpreter meets it too
        return None
    folders = spec.submodule_search_locations
    return spec.origin, None if folders is None else tuple(folders), marshal.dumps(code)
