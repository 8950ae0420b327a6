"""Loads the user's callables, after the state of the parent that they expect was set up."""

from __future__ import annotations

import os
import sys

from .._payload.pickling import loads
from .._payload.verbosity import install_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .._payload.job import Call, Job, Preparation

loading = False  # whether this interpreter is importing the main module, or what fn needs

# The former module __main__ must outlive its replacement: code of it still runs.
_replaced: list[ModuleType] = []


def importing() -> bool:
    """Return whether this is a worker that is importing the main module, or what ``fn`` needs."""
    return loading or inheriting()


def inheriting() -> bool:
    """Return whether multiprocessing has started this process, and lets it import the main module.

    It may be a worker, a process of the user's, or a fork server.
    """
    # Not imported: without that module, this is no process of multiprocessing. And the variable is
    # missing while another thread imports it.
    process = sys.modules.get("multiprocessing.process")
    current = getattr(process, "_current_process", None)
    return getattr(current, "_inheriting", False)


def load_call(job: Job) -> Call:
    """Take over the parent's state, and load the user's callables."""
    given = job.preparation
    if given is None:
        os.environ.update(job.environment or {})
        return _load(job)
    global loading  # noqa: PLW0603  an interpreter is one worker
    loading = True
    try:
        return _load_after(given, job)
    finally:
        loading = False


def _load_after(given: Preparation, job: Job) -> Call:
    """Set up the state of the parent that this interpreter lacks, and load the user's callables."""
    sys.argv[:] = given.argv
    sys.setrecursionlimit(given.recursion_limit)
    if given.int_max_str_digits is not None:
        sys.set_int_max_str_digits(given.int_max_str_digits)
    if given.environment is not None and given.environment != os.environ:
        os.environ.clear()
        os.environ.update(given.environment)
    os.environ.update(job.environment or {})
    if given.multiprocessing is not None:
        from . import inheritance  # only where the parent has multiprocessing

        inheritance.inherit(*given.multiprocessing)
    complete = install_filters(given.warning_filters)
    if given.main_name is not None or given.main_path is not None:
        _load_main(given.main_name, given.main_path)
    call = _load(job)
    if not complete:
        install_filters(given.warning_filters)  # loading may have imported their categories
    return call


def _load(job: Job) -> Call:
    given: Any = job.call
    if isinstance(given, list):
        given = given.pop()  # so that nothing else refers to it
    call: Call = loads(given) if isinstance(given, (bytes, memoryview)) else given
    return call


def _load_main(name: str | None, path: str | None) -> None:
    """Run the parent's main module under the name ``__mp_main__``, as multiprocessing does.

    So code below ``if __name__ == "__main__":`` does not run, and classes defined there pickle
    under a name that the parent knows as well.
    """
    import runpy  # only where it is needed: it costs start-up time
    from types import ModuleType

    if name is not None:
        content = runpy.run_module(name, run_name="__mp_main__", alter_sys=True)
    else:
        assert path is not None
        content = runpy.run_path(path, run_name="__mp_main__")
    module = ModuleType("__mp_main__")
    module.__dict__.update(content)
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
