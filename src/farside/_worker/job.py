"""What a worker is given: the user's callables, and the surroundings that they expect.

It is the first frame that goes down the channel (the ``fork`` start method hands it over as it
is). The callables inside are pickled a second time, since the surroundings must be there before
they can be loaded.
"""

from __future__ import annotations

import os
import sys
from collections import namedtuple

from .._transport.codec import loads
from . import warning_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any, NamedTuple, TypeAlias

    from .info import Fields
    from .log_levels import Levels
    from .warning_filters import PlainFilter

    Call: TypeAlias = tuple[
        Callable[[], Iterable[Any]],
        tuple[Callable[[], object], ...],
        tuple[Callable[[], object], ...],
    ]
    """fn, initializers, finalizers."""

    class Surroundings(NamedTuple):
        """What a new interpreter lacks of the parent's state."""

        argv: list[str]
        warning_filters: list[PlainFilter]
        recursion_limit: int
        int_max_str_digits: int | None
        environment: dict[str, str] | None
        main_name: str | None
        main_path: str | None

    class Job(NamedTuple):
        """What a worker has to do."""

        call: bytes | Call
        surroundings: Surroundings | None
        buffer_size: int | None
        buffer_bytes: int
        info: Fields | None = None
        environment: dict[str, str] | None = None
        finalizer_seconds: float = 0.0
        forward_logs: bool = False
        log_levels: Levels | None = None

else:
    Surroundings = namedtuple(
        "Surroundings",
        [
            "argv",
            "warning_filters",
            "recursion_limit",
            "int_max_str_digits",
            "environment",
            "main_name",
            "main_path",
        ],
    )
    Job = namedtuple(
        "Job",
        [
            "call",
            "surroundings",
            "buffer_size",
            "buffer_bytes",
            "info",
            "environment",
            "finalizer_seconds",
            "forward_logs",
            "log_levels",
        ],
        defaults=(None, None, 0.0, False, None),
    )

JOB = 0
"""Kind of the frame that carries the job: neither a command nor a status."""

importing_main = False
"""Whether this interpreter is a worker that is just importing the main module."""

# The module object that __main__ was before must outlive its replacement: code of it still runs.
_replaced: list[ModuleType] = []


def load_call(job: Job) -> Call:
    """Set the surroundings up and load the user's callables.

    Raises:
        BaseException: whatever loading them raises.
    """
    given = job.surroundings
    if given is None:
        os.environ.update(job.environment or {})
        return _load(job)
    sys.argv[:] = given.argv
    sys.setrecursionlimit(given.recursion_limit)
    if given.int_max_str_digits is not None:
        sys.set_int_max_str_digits(given.int_max_str_digits)
    if given.environment is not None and given.environment != os.environ:
        os.environ.clear()
        os.environ.update(given.environment)
    os.environ.update(job.environment or {})
    complete = warning_filters.install(given.warning_filters)
    if given.main_name is not None or given.main_path is not None:
        _load_main(given.main_name, given.main_path)
    call = _load(job)
    if not complete:
        warning_filters.install(given.warning_filters)  # their categories may be there by now
    return call


def _load(job: Job) -> Call:
    call: Call = loads(job.call) if isinstance(job.call, bytes) else job.call
    return call


def _load_main(name: str | None, path: str | None) -> None:
    """Run the parent's main module under the name ``__mp_main__``, as multiprocessing does.

    So code below ``if __name__ == "__main__":`` does not run, and classes defined there pickle
    under a name that the parent knows as well.
    """
    import runpy  # only where it is needed: it costs start-up time
    from types import ModuleType

    global importing_main  # noqa: PLW0603  there is one main module in an interpreter
    importing_main = True
    try:
        if name is not None:
            content = runpy.run_module(name, run_name="__mp_main__", alter_sys=True)
        else:
            assert path is not None
            content = runpy.run_path(path, run_name="__mp_main__")
    finally:
        importing_main = False
    module = ModuleType("__mp_main__")
    module.__dict__.update(content)
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
