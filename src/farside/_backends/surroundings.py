"""What the parent packs for a worker: the user's callables, and the state that they expect."""

from __future__ import annotations

import os
import pickle
import pickletools
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

from .._transport import codec
from .._transport.brief import brief
from .._worker import log_levels, warning_filters
from .._worker.info import WorkerInfo
from .._worker.job import Job, Surroundings
from ..errors import NotPicklableError
from .main_module import main_module

if TYPE_CHECKING:
    from .._options import Options
    from .._worker.job import Call

_CURE = "define it at the top level of a module that the worker can import, or install cloudpickle"
_MAKE_THERE = "let fn or an initializer make in the worker what does not"


def pack(
    options: Options,
    *,
    in_process: bool = False,
    backend: str | None = None,
    name: str | None = None,
) -> Job:
    """Make the job of a worker that shares nothing with this process.

    Args:
        options: what the user asked for.
        in_process: whether the worker is an interpreter of this process. It then shares the
            environment, which a fork server has as it was when that started; and it has to load
            the main module itself, if the job refers to it, which multiprocessing does for the
            processes that it starts. (Not where they have an environment of their own, which has
            to be there before: see `with_main_hidden`.)
        backend: name of the backend; default: what the user asked for.
        name: the worker's name; default: the user's, or a new one.

    Raises:
        NotPicklableError: ``fn`` or an initializer cannot be pickled.
    """
    main_name, path = main_module()
    call = pack_call(options, main_importable=bool(main_name or path))
    loads_main = in_process or options.env is not None
    if not (loads_main and _refers_to_main(call)):
        main_name = path = None
    surroundings = Surroundings(
        argv=[str(each) for each in sys.argv],
        warning_filters=warning_filters.flatten(),
        recursion_limit=sys.getrecursionlimit(),
        int_max_str_digits=getattr(sys, "get_int_max_str_digits", lambda: None)(),
        environment=None if in_process else dict(os.environ),
        main_name=main_name,
        main_path=path,
    )
    return job_of(
        options,
        call,
        surroundings,
        backend=backend or options.backend,
        name=name or name_of(options),
    )


def inherit(options: Options, *, backend: str, name: str) -> Job:
    """Make the job of a worker that is a copy of this process."""
    call = (options.fn, options.initializers, options.finalizers)
    return job_of(options, call, None, backend=backend, name=name)


def job_of(
    options: Options,
    call: bytes | Call,
    surroundings: Surroundings | None,
    *,
    backend: str,
    name: str,
) -> Job:
    """Put a job together."""
    info = WorkerInfo(backend, name, options.worker_index, options.worker_count, options.seed, 0)
    return Job(
        call,
        surroundings,
        options.buffer_size,
        options.buffer_bytes,
        info=info.fields(),
        environment=None if options.env is None else dict(options.env),
        finalizer_seconds=options.shutdown_timeout / 2,
        forward_logs=options.forward_logs,
        log_levels=log_levels.flatten() if options.forward_logs else None,
    )


def name_of(options: Options) -> str:
    """Return the name of a new worker."""
    return options.name or f"farside-worker-{next(_numbers)}"


_numbers = count(1)


def pack_call(options: Options, *, main_importable: bool) -> bytes:
    """Pickle ``fn`` and the initializers.

    Args:
        options: what the user asked for.
        main_importable: whether the worker has, or can import, the main module.

    Raises:
        NotPicklableError: they cannot be pickled.
    """
    call = (options.fn, options.initializers, options.finalizers)
    try:
        data = pickle.dumps(call, 5)
        problem: BaseException | None = None
    except Exception as error:  # __reduce__ is user code
        data, problem = b"", error
    if problem is None and (main_importable or not _refers_to_main(data)):
        return data
    try:
        by_value = codec.dumps_by_value(call)
    except Exception as error:
        by_value, problem = None, error
    if by_value is not None:
        return by_value
    if problem is None:
        raise NotPicklableError(
            f"{_culprit(options, by_value=False)} refers to __main__, which a worker cannot import "
            f"here (an interactive session, -c, standard input, or python -m package); {_CURE}"
        )
    # What has no importable name is a PicklingError or an AttributeError. A TypeError is a lock, a
    # file or a generator, wherever it is defined.
    cure = _MAKE_THERE if isinstance(problem, TypeError) else _CURE
    raise NotPicklableError(
        f"{_culprit(options, by_value=True)} cannot be sent to a worker, it does not pickle "
        f"({brief(problem)}); {cure}"
    ) from problem


def _culprit(options: Options, *, by_value: bool) -> str:
    """Name the argument that cannot be sent."""
    named: list[tuple[str, Any]] = [("fn", options.fn)]
    named += [(f"initializer[{i}]", each) for i, each in enumerate(options.initializers)]
    named += [(f"finalizer[{i}]", each) for i, each in enumerate(options.finalizers)]
    for name, value in named:
        try:
            data = pickle.dumps(value, 5)
        except Exception:
            return f"{name}={value!r}"
        if not by_value and _refers_to_main(data):
            return f"{name}={value!r}"
    return f"fn={options.fn!r}"


def _refers_to_main(data: bytes) -> bool:
    if b"__main__" not in data:
        return False
    # Names of modules are short strings, or part of a GLOBAL; a longer text that happens to
    # hold the word is none.
    return any(
        isinstance(arg, str) and arg.split(" ")[0] == "__main__"
        for _, arg, _ in pickletools.genops(data)
    )
