"""Workers that are processes, started by multiprocessing."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import select
import signal
import sys
import threading
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

from .._transport import codec
from .._transport.descriptors import Descriptor, bequeathed, check_room, pipe
from .._transport.interrupts import held_back, with_lock
from .._transport.pipes import open_channel
from .._worker.job import JOB, Job
from .._worker.process import main
from ..errors import BackendUnavailableError, ChannelClosedError
from . import interpreters, lifetime, surroundings
from .base import Availability, Backend, ExitStatus, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

    from .._options import Options
    from .._transport.pipes import PipeParentChannel

_REAP_SECONDS = 1.0
"""How long the exit code may lag behind the end of the process: a fork server reports it."""

_DESCRIPTORS = 12
"""How many multiprocessing may need to start a process. It loses some where it gets too few."""

_armed_in = 0
"""The process in which `_arm` has done its work."""

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


class ProcessWorker(Worker):
    """A worker that is a process."""

    def __init__(self, process: BaseProcess, channel: PipeParentChannel) -> None:
        self.channel = channel
        self._process = process
        self._pid = process.pid
        self._owner = os.getpid()
        self._reaping = threading.RLock()  # a signal handler may close in the middle of it
        self._ended = False
        self._exit_code: int | None = None
        self._handle = _open_pidfd(process)
        channel.watch(self._sentinel())
        _arm()
        lifetime.track(self)

    @property
    def label(self) -> str:
        return f"pid {self._pid}"

    def wait(self, timeout: float) -> bool:
        if self._ended or os.getpid() != self._owner:
            return True  # a forked child has no workers
        if not self._await_end(timeout):
            return False
        with_lock(self._reaping, self._reap)
        return self._ended

    def _await_end(self, timeout: float) -> bool:
        poll = select.poll()
        try:
            poll.register(self._sentinel(), select.POLLIN)
        except (ChannelClosedError, ValueError):
            return True  # it was closed, in reaping
        return bool(poll.poll(max(0.0, timeout) * 1000))

    def _reap(self) -> None:
        if not held_back(self._look):
            # Not at once: it imports modules that, at the exit of a Python before 3.13, let an
            # uncaught KeyboardInterrupt lose its exit status.
            with _unless_closed():
                self._process.join(_REAP_SECONDS)
            held_back(self._look)

    def _look(self) -> bool:
        """Take note of the end of the process, if it has ended."""
        if self._ended:
            return True
        self._exit_code = self._process.exitcode
        if self._exit_code is None:
            return False
        if self._handle is not None:
            self._handle.close()
        self._process.close()
        lifetime.forget(self)
        self._ended = True
        return True

    def terminate(self) -> bool:
        if not self.wait(0):
            with _unless_closed():
                self._process.terminate()
        return True

    def kill(self) -> bool:
        if not self.wait(0):
            with _unless_closed():
                self._process.kill()
        return True

    def disown(self) -> None:
        # When a forked child exits, multiprocessing terminates and joins the children that it
        # thinks are its own.
        getattr(multiprocessing.process, "_children", set()).discard(self._process)

    def exit_status(self) -> ExitStatus:
        if not self.wait(_REAP_SECONDS):
            self.kill()
            self.wait(_REAP_SECONDS)
            return ExitStatus("it closed its end of the channel without ending, and was killed")
        code = self._exit_code
        if code is None or code >= 0:
            return ExitStatus(f"it ended with exit code {code}", code)
        try:
            name = signal.Signals(-code).name
        except ValueError:  # a real-time signal
            name = f"signal {-code}"
        return ExitStatus(f"it was killed by {name} (exit code {code})", code, name)

    def _sentinel(self) -> int:
        # A pidfd tells of this process alone. The sentinel of multiprocessing is a pipe, which a
        # child of the worker may hold open.
        return self._process.sentinel if self._handle is None else self._handle.fileno()


def _unless_closed() -> contextlib.suppress:
    """Pass over a process that a signal handler, or another thread, has just reaped."""
    return contextlib.suppress(ValueError)  # what multiprocessing raises then


def _arm() -> None:
    """Let multiprocessing call `lifetime.close_all` before it waits for its processes at exit.

    It does so in its own processes too, which do not run what is registered with atexit (before
    Python 3.14, or not what was registered before a fork).
    """
    global _armed_in  # noqa: PLW0603  a fork makes another process of this one
    if _armed_in != os.getpid():
        multiprocessing.util.Finalize(None, lifetime.close_all, exitpriority=100)
        _armed_in = os.getpid()


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
            process.join(_REAP_SECONDS)
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
        with bequeathed(ends), surroundings.main_hidden(always=options.env is not None):
            _start_sheltered(process, context.get_start_method())
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


def _start_sheltered(process: BaseProcess, method: str) -> None:
    """Start a process that Ctrl-C does not reach before its worker can say that it ignores it.

    A process that a fork server forks cannot have that: the server has one mask of signals for all.
    """
    if method == "forkserver":
        _start_anywhere(process)
        return
    if method == "spawn":  # the start of its resource tracker changes the mask
        multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        _start_anywhere(process)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_anywhere(process: BaseProcess) -> None:
    """Start a process, in a daemonic one too, as those of a pool and of a DataLoader are.

    multiprocessing forbids that, since nobody would end the children of a daemonic process when
    that is terminated. Workers end by themselves.
    """
    if not multiprocessing.current_process().daemon and not _disguise.locked():
        process.start()
        return
    with_lock(_disguise, lambda: _start_disguised(process))


def _start_disguised(process: BaseProcess) -> None:
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
    daemon = config.pop("daemon", False)
    try:
        process.start()
    finally:
        config["daemon"] = daemon


_disguise = threading.Lock()


def _renew_disguise() -> None:
    global _disguise  # noqa: PLW0603  a process that was forked meanwhile never releases it
    _disguise = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_disguise)


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


def _open_pidfd(process: BaseProcess) -> Descriptor | None:
    if not hasattr(os, "pidfd_open"):  # pragma: no cover  not Linux
        return None
    assert process.pid is not None
    try:
        return Descriptor(os.pidfd_open(process.pid))
    except OSError:  # it has ended, and was reaped by the fork server
        return None
