"""Starts processes of multiprocessing, even if Ctrl-C or multiprocessing itself is in the way."""

from __future__ import annotations

import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import site
import sys
import threading
import weakref

# This one pickles, even if a mock or a function of gevent has replaced `signal.signal`.
from _signal import signal as set_handler  # type: ignore[import-not-found]
from collections.abc import Callable
from functools import partial
from importlib.machinery import PathFinder
from multiprocessing import forkserver, spawn
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from .._system.signals import at_fork
from ..options import START_METHODS
from .preparation import main_file
from .servers import look_at_servers

T = TypeVar("T")


_BY_DEFAULT = ["__main__"]
_MODULES = [
    *_BY_DEFAULT,
    "farside._worker.fork_server",
    "farside._worker.process",
    "ctypes",  # for its `lifeline`
]


class _Pretence(threading.local):
    """What multiprocessing is told while this thread starts a process. No other thread sees it."""

    no_main = False  # there is no main module to import
    starting = False  # this process is not daemonic; a start is under way, perhaps in an outer call


_pretence = _Pretence()


def _pretending(work: Callable[[], T], **what: bool) -> T:
    before = {name: getattr(_pretence, name) for name in what}
    try:
        vars(_pretence).update(what)
        return work()
    finally:
        vars(_pretence).update(before)  # a signal handler may start a worker in a start


_started: weakref.WeakSet[BaseProcess] = weakref.WeakSet()
"""The processes that were started here, or are just being started."""


def _locks() -> list[Any]:
    """Return the locks that multiprocessing takes to start a process; None for one it lacks."""
    private = (forkserver, "_forkserver"), (multiprocessing.resource_tracker, "_resource_tracker")
    return [getattr(getattr(module, name), "_lock", None) for module, name in private]


def _disown_in_child() -> None:
    """Let a forked child of this process forget the processes that were started here."""
    # As the child exits, multiprocessing terminates and joins all processes that it takes for its
    # own. The fork may have come when a process had been started, but not yet recorded as a worker.
    # And another thread may have been in a start, with locks that nobody in the child releases.
    for lock in _locks():
        if hasattr(lock, "_at_fork_reinit"):
            lock._at_fork_reinit()  # noqa: SLF001  Python 3.14 does so with one of them
    vars(_pretence).clear()  # the start goes on in the parent alone
    getattr(multiprocessing.process, "_children", set()).difference_update(_started)


at_fork(after_in_child=_disown_in_child)


def start_process(process: BaseProcess, method: str) -> None:
    """Start a process that Ctrl-C does not reach before its worker can ignore it.

    A process of a fork server is not protected in its first instants, since the server has one
    signal mask for all. It ignores SIGINT as soon as it has read its preparation data. Raise
    RuntimeError in a signal handler that would wait for a start in its own thread.
    """
    # Most locks of multiprocessing are not reentrant.
    if _pretence.starting and any(hasattr(each, "locked") and each.locked() for each in _locks()):
        raise RuntimeError(
            "a signal handler starts a worker, and has struck while multiprocessing was starting "
            "another one; let the handler set a flag, and start the worker elsewhere"
        )
    _pretending(partial(_start, process, method), starting=True)
    look_at_servers()  # so that their pipes are known


def _start(process: BaseProcess, method: str) -> None:
    if method == "forkserver":
        _start_server_with_modules()
        _start_anywhere(process)
        return
    if method == "spawn":  # the start of its resource tracker changes the mask
        multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # the handler of another signal may raise as soon as the mask has changed
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        _start_anywhere(process)
    finally:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except BaseException:  # of a signal handler, or for want of memory: else Ctrl-C is blocked
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise


def _start_anywhere(process: BaseProcess) -> None:
    """Start a process, even in a daemonic one, such as a worker of a pool or of a DataLoader."""
    # multiprocessing forbids that, since nobody would end the children of a daemonic process that
    # is terminated. But workers of farside end by themselves.
    process.authkey = bytes(process.authkey)  # in a worker of Celery it refuses to be pickled
    current = vars(multiprocessing.current_process())
    if current["_config"].get("daemon") and type(current["_config"]) is not _Config:
        current["_config"] = _Config(current["_config"])
    _started.add(process)
    process.start()


class _IgnoresSigint:
    """Makes a process that unpickles this ignore SIGINT."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return set_handler, (int(signal.SIGINT), int(signal.SIG_IGN))


class _Config(dict[str, Any]):
    """What multiprocessing knows of this process: daemonic, but not to a thread in a start."""

    def get(self, key: str, default: Any = None) -> Any:
        return False if key == "daemon" and _pretence.starting else super().get(key, default)


def with_main_hidden(work: Callable[[], T], *, always: bool) -> T:
    """Do `work`, which starts a process, and hide a main module that it must not import."""
    # A script that comes from standard input has ``"<stdin>"`` for its file, and every spawned
    # process would fail to open that. If a worker has an environment of its own (`always`), its job
    # imports the main module instead, once the environment is set up.
    path = main_file()
    _teach_multiprocessing()
    return _pretending(work, no_main=always or (path is not None and not os.path.exists(path)))


def _teach_multiprocessing() -> None:
    """Patch multiprocessing to leave out what a new process must not do, or cannot do."""
    prepare = spawn.get_preparation_data
    if getattr(prepare, "__module__", "") == __name__:
        return

    def get_preparation_data(name: str) -> dict[str, Any]:
        main: Any = sys.modules["__main__"]
        if not hasattr(main, "__spec__"):
            main.__spec__ = None  # `python -m pdb` removes it, before Python 3.13
        data = prepare(name)
        data["authkey"] = bytes(data["authkey"])  # as in `_start_anywhere`
        if data.get("start_method") not in START_METHODS:
            data.pop("start_method", None)  # loky's, in a worker of joblib: not known there yet
        if _pretence.starting:  # before it imports the main module, which may take long
            data["farside"] = _IgnoresSigint()
        if _pretence.no_main:
            for key in ("init_main_from_name", "init_main_from_path"):
                data.pop(key, None)
        elif "init_main_from_name" not in data and "init_main_from_path" not in data:
            path = main_file()  # the script may have ended
            if path is not None and getattr(sys.modules["__main__"], "__spec__", None) is None:
                data["init_main_from_path"] = os.path.abspath(path)
        return data

    spawn.get_preparation_data = get_preparation_data


def _start_server_with_modules() -> None:
    """Start the fork server with workers' modules, unless it runs or the program set its own."""
    # A process that the server forks need not import what the server has imported.
    # The list is restored at once: if this server ends, the next one is as the program wants it.
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
    """Return whether the server would import farside from where this process has it."""
    # Before Python 3.14, the server does not get ``sys.path``: it looks where any new Python does.
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
