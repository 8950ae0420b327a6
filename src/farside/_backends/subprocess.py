"""Workers that are processes, started by multiprocessing."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import sys
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

from .._transport import codec
from .._transport.descriptors import Descriptor, bequeathed, check_room, pipe
from .._transport.interrupts import held_back
from .._transport.opening import open_channel
from .._worker.job import JOB, Job
from .._worker.process import main
from ..errors import BackendUnavailableError, ChannelClosedError
from . import interpreters, surroundings
from .base import Availability, Backend
from .main_module import with_main_hidden
from .process import REAP_SECONDS, ProcessWorker
from .sheltered import start_sheltered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

    from .._options import Options

_DESCRIPTORS = 12
"""How many multiprocessing may need to start a process. It loses some where it gets too few."""

_home = os.getpid()
"""The process that has imported this module; in a forked child it is another."""


class SubprocessBackend(Backend):
    """Starts processes by ``spawn``, ``forkserver`` or ``fork``."""

    name = "subprocess"

    @staticmethod
    def availability() -> Availability:
        if sys.platform == "win32":
            return Availability(usable=False, reason="Windows is not supported yet")
        methods = ", ".join(multiprocessing.get_all_start_methods())
        return Availability(usable=True, reason=f"start methods: {methods}")

    def start(self, options: Options) -> ProcessWorker:
        context = _context(options)
        forks = context.get_start_method() == "fork"
        _check(forks=forks)
        name = surroundings.name_of(options)
        pack = surroundings.inherit if forks else surroundings.pack
        job = pack(options, backend=self.name, name=name)
        worker: ProcessWorker | None = None

        def begin() -> None:
            nonlocal worker
            worker = _start_worker(context, options, name, job if forks else None)

        try:
            # multiprocessing is not made to be interrupted in the middle: its child would find
            # no job, and its locks might stay locked. A fork server that first imports the main
            # module takes its time, so a second Ctrl-C is not held back.
            held_back(begin, once=True)
            assert worker is not None
            if not forks:
                # A worker that is gone already is no error here: receiving tells, with its status.
                with contextlib.suppress(ChannelClosedError):
                    worker.channel.send(JOB, 0, codec.dumps(tuple(job)))
        except BaseException:  # KeyboardInterrupt: nobody gets to know the worker
            if worker is not None:
                worker.channel.close()
            raise
        return worker


class _Passed:
    """The worker's ends of the pipes, on their way through multiprocessing."""

    def __init__(self, ends: Sequence[Descriptor]) -> None:
        self._ends = ends

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, ([reduction.DupFd(end.fileno()) for end in self._ends],)


def _start_worker(context: Any, options: Options, name: str, job: Job | None) -> ProcessWorker:
    channel, of_channel = open_channel(options.arena_bytes)
    ends: tuple[Descriptor, ...] = of_channel
    process: BaseProcess | None = None
    try:
        lifeline, held = pipe()
        ends = (*of_channel, lifeline)
        channel.keep(held)
        check_room(_DESCRIPTORS, held)
        process = _start_process(context, ends, job, name, options)
        return ProcessWorker(process, channel)
    except BaseException:
        channel.close()
        if process is not None:  # nobody gets to know it
            process.kill()
            process.join(REAP_SECONDS)
        raise
    finally:
        for end in ends:
            end.close()


def _start_process(
    context: Any,  # contexts share no public type
    ends: Sequence[Descriptor],
    job: Job | None,
    name: str,
    options: Options,
) -> BaseProcess:
    given = _Passed(ends) if job is None else [end.fileno() for end in ends]
    process: BaseProcess = context.Process(
        target=main, args=(given, job), name=name, daemon=options.daemon
    )
    try:
        with bequeathed(ends):
            with_main_hidden(
                lambda: start_sheltered(process, context.get_start_method()),
                always=options.env is not None,
            )
    except ChildProcessError as error:
        raise _unavailable(
            "this process was forked, and cannot use the fork server of its parent; use "
            "mp_context='spawn'"
        ) from error
    except (ConnectionError, EOFError) as error:
        raise _unavailable(
            "the fork server has ended, see its traceback above. It imports the main script, so a "
            "script must start workers below if __name__ == '__main__': only"
        ) from error
    return process


def _context(options: Options) -> Any:
    given = options.mp_context
    if given is None:
        # A forked child cannot use its parent's fork server, nor start one of its own. And what a
        # fork server has imported does not look at an environment of the worker's own any more.
        served = "forkserver" in multiprocessing.get_all_start_methods() and os.getpid() == _home
        served = served and options.env is None
        given = "forkserver" if served else "spawn"
    return multiprocessing.get_context(given) if isinstance(given, str) else given


def _check(*, forks: bool) -> None:
    if forks and interpreters.inside():
        raise _unavailable("a subinterpreter cannot fork; use mp_context='spawn'")
    if forks and interpreters.alive():
        raise _unavailable(
            "a forked child crashes at once while any subinterpreter lives in the parent; close "
            "the subinterpreters first, or use mp_context='forkserver' or 'spawn'"
        )


def _unavailable(reason: str) -> BackendUnavailableError:
    return BackendUnavailableError(
        f"no process can be started: {reason}", backend="subprocess", reason=reason
    )
