"""Workers that are processes, started by multiprocessing."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import reduction
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from .._link.opening import open_link
from .._link.pipes import PipeLink
from .._payload.job import Job
from .._system.cgroup import OomKills
from .._system.descriptors import Descriptor, check_room, inherited, pipe, with_standard_filled
from .._system.monkey_patches import patched
from .._system.process_states import is_ending, is_stopped, signal_name
from .._system.signals import defer_signals
from .._worker.process import main
from ..errors import WorkerTimeoutError
from . import live_workers, preparation
from .base import Availability, Backend, Capabilities, ExitStatus, Worker
from .child import FROM_OUTSIDE, REAP_SECONDS, Child
from .no_process import (
    EXEC_FAILED,
    NOT_EXECUTED,
    check_method,
    check_server,
    check_spawned,
    check_surroundings,
    server_pid,
)
from .process_start import start_process, with_main_hidden
from .servers import look_at_servers
from .starting import start, within

if TYPE_CHECKING:
    from .._parent.options import Options

_DESCRIPTORS = 12  # how many a start may need: if multiprocessing gets too few, it leaks some
_ENDING_SECONDS = 10.0  # for the end of a process that the kernel is just taking down
_armed_in = 0  # the pid of the process in which `_arm` was done


class SubprocessBackend(Backend):
    name = "subprocess"
    capabilities = Capabilities(killable=True, own_environment=True, shares_memory=True)

    @staticmethod
    def availability() -> Availability:
        methods = ", ".join(multiprocessing.get_all_start_methods())
        return Availability(usable=True, reason=f"start methods: {methods}")

    def launch(self, options: Options) -> ProcessWorker:
        context = _context(options)
        method = context.get_start_method()
        name = preparation.name_of(options)
        if method == "fork":
            job = preparation.job_of(options, options.call, backend=self.name, name=name)
        else:
            job = preparation.pack(options, within_start=True, backend=self.name, name=name)
        by_link = isinstance(job.call, bytes)
        begin = partial(_start_worker, context, options, name, None if by_link else job)
        # multiprocessing is not made to be interrupted in the middle: its child would find no job,
        # and its locks might stay locked. But a fork server that first imports the main module may
        # take long, so a second Ctrl-C is not deferred.
        run: Callable[[Callable[[], object]], object] = partial(defer_signals, once=True)
        if options.init_timeout is not None and method == "forkserver":
            run = partial(_run_in_time, options.init_timeout)
        return start(begin, job if by_link else None, run)


class ProcessWorker(Worker):
    def __init__(self, child: Child, link: PipeLink) -> None:
        self.link = link
        self._child = child
        self._owner = os.getpid()
        self._oom_kills = OomKills(child.pid)
        link.watch(child.fileno())
        _arm()

    @property
    def label(self) -> str:
        return f"pid {self._child.pid}"

    def wait(self, timeout: float) -> bool:
        if os.getpid() != self._owner:
            return True  # a forked child has no workers
        return self._child.wait(timeout)

    def terminate(self) -> bool:
        return self.wait(0) or self._child.send(signal.SIGTERM)

    def kill(self) -> bool:
        return self.wait(0) or self._child.send(signal.SIGKILL)

    def was_stopped(self) -> bool:
        return self._child.was_stopped()

    def exit_status(self) -> ExitStatus:
        ended = self.wait(REAP_SECONDS)
        if not ended and is_ending(self._child.pid):
            ended = self.wait(_ENDING_SECONDS)
        if not ended:
            self.kill()
            self.wait(REAP_SECONDS)
            return ExitStatus("it closed its end of the link without ending, and was killed")
        if self._child.lost is not None:
            text = f"how it ended is not known, since {self._child.lost}"
            return ExitStatus(text, struck=self._child.lost_with_server)
        code = self._child.code
        if code is None or code >= 0:
            refused = NOT_EXECUTED if self._child.spawned and code == EXEC_FAILED else ""
            return ExitStatus(f"it ended with exit code {code}", code, unless_begun=refused)
        name = signal_name(-code)
        text = f"it was killed by {name} (exit code {code})"
        if code == -signal.SIGALRM:  # see `_worker.lifeline`
            text += ", by which a worker ends a second after it got SIGHUP"
        kills = self._oom_kills.since() if code == -signal.SIGKILL else 0
        if kills:
            text += (
                f"; since it began, {kills} of the processes in its control group were killed, as "
                "the group had run out of memory"
            )
        return ExitStatus(text, code, name, struck=name in FROM_OUTSIDE)


def _arm() -> None:
    """Let multiprocessing call `close_all` before it waits for its processes at exit."""
    # It does so in its own processes too. Before Python 3.14 they run nothing that is registered
    # with `atexit`, and since then nothing that was registered before a fork.
    global _armed_in  # noqa: PLW0603  a fork makes another process of this one
    if _armed_in != os.getpid():
        multiprocessing.util.Finalize(None, live_workers.close_all, exitpriority=100)
        _armed_in = os.getpid()


def _run_in_time(seconds: float, work: Callable[[], object]) -> None:
    try:
        within(seconds, work)
    except TimeoutError as error:
        raise WorkerTimeoutError(
            f"no worker was started within init_timeout={seconds} seconds: the fork server "
            f"{_why_late()}",
            seconds=seconds,
            state="initialization",
        ) from error


def _why_late() -> str:
    """Return why the fork server has not answered, and what helps."""
    pid = server_pid()
    if pid is not None and is_stopped(pid):
        return f"(pid {pid}) is stopped; let it go on by SIGCONT"
    return (
        "first imports the main script, which takes longer; let it do less above "
        "if __name__ == '__main__':, or give a longer init_timeout"
    )


class _Passed:
    """The worker's ends of the pipes, which multiprocessing hands over to the new process."""

    def __init__(self, ends: Sequence[Descriptor]) -> None:
        self._ends = ends

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, ([reduction.DupFd(end.fileno()) for end in self._ends],)


def _start_worker(context: Any, options: Options, name: str, job: Job | None) -> ProcessWorker:
    look_at_servers()  # a start would write to their pipes
    link, of_link = open_link(options.arena_bytes, both=options.sends_inputs)
    ends: tuple[Descriptor, ...] = of_link
    child: Child | None = None
    try:
        lifeline, held = pipe()
        ends = (*of_link, lifeline)
        link.keep(held)
        check_room(_DESCRIPTORS, held)
        start_by = partial(_start_by, ends=ends, job=job, name=name, options=options)
        child = _start_process(context, start_by, options)
        return ProcessWorker(child, link)
    except BaseException:
        link.close()
        if child is not None:  # the caller does not get it
            _end(child)
        raise
    finally:
        for end in ends:
            end.close()


def _end(child: Child) -> None:
    child.send(signal.SIGKILL)
    child.wait(REAP_SECONDS)


def _start_process(context: Any, by: Callable[..., Child], options: Options) -> Child:
    try:
        return by(context)
    except (OSError, EOFError) as error:
        check_surroundings(error)
        if context.get_start_method() != "forkserver":
            check_spawned(error)
            raise
        if options.mp_context is not None:
            check_server(error)
            raise
    # The user has not asked for the fork server. It may be that of the parent of this forked
    # process, or it was killed, or its socket has too long a name, or now belongs to another user.
    return _start_process(multiprocessing.get_context("spawn"), by, options)


def _start_by(
    context: Any, ends: Sequence[Descriptor], job: Job | None, name: str, options: Options
) -> Child:
    method = context.get_start_method()
    given = [end.fileno() for end in ends] if method == "fork" else _Passed(ends)
    process: BaseProcess = context.Process(
        target=main, args=(given, job), name=name, daemon=options.daemon
    )
    try:
        with inherited(ends):
            with_main_hidden(
                lambda: with_standard_filled(lambda: start_process(process, method)),
                always=options.env is not None,
            )
        return Child(process)
    except BaseException:
        if process.pid is not None:  # it was started, and then memory ran out, say
            _end(Child(process))
        raise


def _context(options: Options) -> Any:
    """Return the context to start the process by, if its start method can be used here."""
    given = options.mp_context
    if given is None:
        # Modules that a fork server has imported have not seen an environment of the worker's own.
        served = "forkserver" in multiprocessing.get_all_start_methods() and options.env is None
        given = "forkserver" if served and not patched("socket") else "spawn"
    named = isinstance(given, str)
    # Checked first, since multiprocessing explains less when it refuses a method.
    check_method(given if named else given.get_start_method())
    return multiprocessing.get_context(given) if named else given
