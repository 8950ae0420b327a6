"""What the parent packs for a worker: the user's callables, and the state that they expect."""

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
from .tracker import tracker_fd

if TYPE_CHECKING:
    from .._parent.options import Options
    from .._payload.job import Call


_FINALIZERS_SHARE = 0.45
"""Of ``shutdown_timeout``. The parent waits for half of that, and then ends a process: so there is
time to tell of finalizers that were cut off."""


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
            process multiprocessing does that, unless the process has an environment of its own,
            which has to be there before: see `with_main_hidden`.
        within_start: whether multiprocessing can carry the job to the process that it starts. It
            then must do so if the call is a `SharedCall`.
        remote: whether the worker may be on another machine. It then has an environment of its own,
            and no main module that it could import.
        backend: name of the backend; default: what the user asked for.
        name: the worker's name; default: the user's, or a new one.

    Raises:
        NotPicklableError: ``fn`` or an initializer cannot be pickled.
    """
    main_name, path = main_module()
    # What the main module defines comes back under this name (see _worker.load). multiprocessing
    # set it when it was imported, and runpy or IPython may have another main module since.
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
    """Find how a worker can import the main module: by name, by path, or (None, None): not."""
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
    """Return ``__main__.__file__``, also after the script, if it was called before its end."""
    # Python takes it off the main module as soon as the script has been run. But threads of the
    # program, an executor's among them, may go on and start workers, and these need it.
    global _seen  # noqa: PLW0603  there is one main module
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if file is not None and main is not None:
        _seen = main, file
    elif _seen is not None and _seen[0] is main and not sys.flags.inspect:  # else: a session
        return _seen[1]
    return file


_seen: tuple[ModuleType, str] | None = None


def main_goes_by_value(options: Options) -> bool:
    """Tell whether the workers cannot have the main module, and what it defines is sent itself."""
    if options.backend == "inline" or _forks(options):  # which have it as it was
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
    except BackendUnavailableError:  # the start says so
        return False
    return choice.name == "subprocess"


def _of_multiprocessing() -> tuple[bytes, int | None] | None:
    """Return what multiprocessing gives to each process that it starts, if it is in use here."""
    if "multiprocessing.process" not in sys.modules:
        return None
    from multiprocessing.process import current_process  # another thread may be just at it

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
    """Put a job together; one without a preparation is for a copy of this process."""
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
