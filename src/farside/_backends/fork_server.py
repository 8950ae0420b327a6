"""The fork server of multiprocessing, where farside is the first to need it.

There is one in a process, for all that use it, and it forks what it is asked for. What it has
imported, no process that it forks has to import.
"""

from __future__ import annotations

import os
import site
import sys
from importlib.machinery import PathFinder
from multiprocessing import forkserver
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_BY_DEFAULT = ["__main__"]
_MODULES = [*_BY_DEFAULT, "farside._worker.process", "ctypes"]
"""What a worker imports: ctypes is for its `lifeline`."""


def start_with_modules() -> None:
    """Start the fork server with what workers import, if there is none and nobody has said what.

    The list is put back at once: should that server end, the next one is as the program wants it.
    """
    server: dict[str, Any] = vars(getattr(forkserver, "_forkserver"))  # noqa: B009  it is private
    fresh = server.get("_forkserver_alive_fd", -1) is None
    if not fresh or server.get("_preload_modules") != _BY_DEFAULT or not _finds_this_farside():
        return
    before = server["_preload_modules"]
    server["_preload_modules"] = _MODULES  # its setter would reset other things too
    try:
        forkserver.ensure_running()
    finally:
        if server["_preload_modules"] is _MODULES:  # else another thread has just set it
            server["_preload_modules"] = before


def _finds_this_farside() -> bool:
    """Tell whether the server would import farside from where this process has it.

    Before Python 3.14 the server is not told of ``sys.path``: it looks where any new one does.
    """
    if sys.version_info >= (3, 14):
        return True
    try:
        path = [] if getattr(sys.flags, "safe_path", False) else [os.getcwd()]
    except OSError:  # it was deleted
        return False
    if not sys.flags.ignore_environment:
        path += filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if site.ENABLE_USER_SITE:
        path.append(site.getusersitepackages())
    if not sys.flags.no_site:
        path += site.getsitepackages()
    found = PathFinder.find_spec("farside", path)
    return found is not None and found.origin == sys.modules["farside"].__file__
