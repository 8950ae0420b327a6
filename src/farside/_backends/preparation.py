"""Packs the job of a worker: the user's callables, and the process state that they expect."""

from __future__ import annotations

import os
import sys
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING

from .._payload.job import Job, Preparation
from .._payload.shared import SharedCall
from .._payload.verbosity import flatten_filters, flatten_levels
from ..errors import BackendUnavailableError
from . import registry
from .callables import pack_anywhere, pack_call, refers_to_main
from .servers import tracker_fd

if TYPE_CHECKING:
    from .._parent.options import Options
    from .._payload.job import Call


_FINALIZERS_SHARE = 0.45
"""The share of ``shutdown_timeout`` that finalizers may use. The parent ends a process after half
of it, so there is time to report finalizers that were cut off."""


def pack(
    options: Options,
    *,
    in_process: bool = False,
    within_start: bool = False,
    remote: bool = False,
    backend: str | None = None,
    name: str | None = None,
) -> Job:
    """Make the job of a worker that shares nothing with this process.

    Args:
        options: what the user asked for.
        in_process: whether the worker is an interpreter of this process. It then shares the
            environment, and has to load the main module itself if the job refers to it. For a
            process, multiprocessing loads it, unless the process has an environment of its own,
            which has to be set up before: see `with_main_hidden`.
        within_start: whether multiprocessing can carry the job to the process that it starts. If
            the call is a `SharedCall`, it has to.
        remote: whether the worker may be on another machine. It then has an environment of its own,
            and no main module that it could import.
        backend: name of the backend; default: what the user asked for.
        name: the worker's name; default: the user's, or a new one.

    Raises:
        NotPicklableError: ``fn`` or an initializer cannot be pickled.
    """
    main_name, path = main_module()
    # Objects of the main module come back under this name (see _worker.load). multiprocessing has
    # set it when it was imported, but runpy or IPython may have another main module since.
    sys.modules["__mp_main__"] = sys.modules["__main__"]
    pack_it = pack_call if within_start else pack_anywhere
    call = pack_it(options, main_importable=bool(main_name or path) and not remote)
    loads_main = (in_process or options.env is not None) and not remote
    if not (loads_main and (options.sends_inputs or refers_to_main(call))):
        main_name = path = None
    preparation = Preparation(
        argv=[str(each) for each in sys.argv],
        warning_filters=flatten_filters(),
        recursion_limit=sys.getrecursionlimit(),
        int_max_str_digits=getattr(sys, "get_int_max_str_digits", lambda: None)(),
        environment=None if in_process or remote else dict(os.environ),
        main_name=main_name,
        main_path=path,
        multiprocessing=_of_multiprocessing() if in_process else None,
    )
    return job_of(options, call, preparation, backend=backend or options.backend, name=name)


def main_module() -> tuple[str | None, str | None]:
    """Return the name or the path by which a worker can import the main module, or two None."""
    # The rules are those of multiprocessing: an interactive session, ``python -c``, standard input
    # and a package's ``__main__`` cannot be imported again.
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", None)
    if name is not None:
        return (None if name == "__main__" or name.endswith(".__main__") else name), None
    path = main_file()
    if path is None or not os.path.isfile(path):  # "<stdin>" is no path
        return None, None
    return None, os.path.abspath(path)


def main_file() -> str | None:
    """Return ``__main__.__file__``, even after the script's end if this was called before that."""
    # Python removes it from the main module as soon as the script has ended. But threads of the
    # program, such as an executor's, may continue and start workers, which need it.
    global _seen  # noqa: PLW0603  there is one main module
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is not None and main is not None:
        _seen = main, file
    elif _seen is not None and _seen[0] is main and not sys.flags.inspect:  # else a session follows
        return _seen[1]
    return file


_seen: tuple[ModuleType, str] | None = None


def main_goes_by_value(options: Options) -> bool:
    """Return whether workers cannot import the main module, so what it defines is sent by value."""
    if options.backend == "inline" or _forks(options):  # such workers have it already
        return False
    return registry.is_remote(options.backend) or main_module() == (None, None)


def _forks(options: Options) -> bool:
    context = options.mp_context
    method = context if context is None or isinstance(context, str) else context.get_start_method()
    if method != "fork":
        return False
    try:
        choice = registry.choose(
            options.backend,
            options.fallback,
            process="mp_context",
            backend_options=options.backend_options,
        )
    except BackendUnavailableError:  # the start will raise it
        return False
    return choice.name == "subprocess"


def _of_multiprocessing() -> tuple[bytes, int | None] | None:
    """Return the key and the tracker that multiprocessing gives each process, if it is in use."""
    if "multiprocessing.process" not in sys.modules:
        return None
    from multiprocessing.process import current_process  # another thread may be importing it

    tracker = tracker_fd()
    if "multiprocessing.shared_memory" in sys.modules:
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()
        tracker = tracker_fd()
    return bytes(current_process().authkey), tracker


def job_of(
    options: Options,
    call: bytes | Call | SharedCall,
    preparation: Preparation | None = None,
    *,
    backend: str,
    name: str | None = None,
) -> Job:
    """Make a job. One without a preparation is for this process, or for a forked copy of it."""
    name = name or name_of(options)
    return Job(
        call,
        preparation,
        options.buffer_size,
        options.buffer_bytes,
        info=(backend, name, options.worker_index, options.worker_count, options.seed, 0),
        environment=None if options.env is None else dict(options.env),
        finalizer_seconds=options.shutdown_timeout * _FINALIZERS_SHARE,
        forward_logs=options.forward_logs,
        log_levels=flatten_levels() if options.forward_logs else None,
        spins=options.spins,
    )


def name_of(options: Options) -> str:
    return options.name or f"farside-worker-{next(_numbers)}"


_numbers = count(1)
