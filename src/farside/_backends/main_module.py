"""The parent's main module: how a worker can import it, and how to keep it from doing so."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")


def main_module() -> tuple[str | None, str | None]:
    """Find how a worker can import the main module: by name, by path, or (None, None) not at all.

    The rules are those of multiprocessing: an interactive session, ``python -c``, standard input
    and a package's ``__main__`` cannot be imported again.
    """
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return (None if name == "__main__" or name.endswith(".__main__") else name), None
    path = getattr(main, "__file__", None)
    if path is None or not os.path.isfile(path):  # "<stdin>" is no path
        return None, None
    return None, os.path.abspath(path)


def with_main_hidden(work: Callable[[], T], *, always: bool) -> T:
    """Start a process that multiprocessing does not let import the main module.

    A script that comes from standard input has ``"<stdin>"`` for its file, and every spawned
    process would fail to open that. And where a worker has an environment of its own, the main
    module is imported only after that is there, by the job.

    Only what this thread starts meanwhile is told so; other threads find the module as it is.

    Args:
        work: what starts the process.
        always: hide the main module even if it can be imported.

    Returns:
        What the work returns.
    """
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    before = _tells_no_main()
    _this_thread.tells_no_main = always or (path is not None and not os.path.exists(path))
    try:
        _teach_multiprocessing()
        return work()
    finally:
        _this_thread.tells_no_main = before  # a signal handler may start a worker in a start


def _teach_multiprocessing() -> None:
    """Let multiprocessing leave the main module out of what it tells a new process."""
    from multiprocessing import spawn

    prepare = spawn.get_preparation_data
    if getattr(prepare, "__module__", "") == __name__:
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        data = prepare(name)
        if _tells_no_main():
            for key in ("init_main_from_name", "init_main_from_path"):
                data.pop(key, None)
        return data

    spawn.get_preparation_data = get_preparation_data


def _tells_no_main() -> bool:
    return getattr(_this_thread, "tells_no_main", False)


_this_thread = threading.local()


def _tell_again() -> None:
    _this_thread.tells_no_main = False  # the start goes on in the parent alone


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell_again)
