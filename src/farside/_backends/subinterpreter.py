"""Workers that are subinterpreters of this process, each hosted by a thread of its own."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from typing import TYPE_CHECKING

from .._transport import codec
from .._transport.interrupts import held_back
from .._transport.opening import open_channel
from .._worker.job import JOB
from ..errors import BackendUnavailableError, ChannelClosedError
from . import interpreters, lifetime, surroundings
from .base import Availability, Backend, ExitStatus, Worker

if TYPE_CHECKING:
    from .._options import Options
    from .._transport.opening import WorkerEnds
    from .._transport.pipes import PipeParentChannel

# Plain data only crosses into the interpreter, as source text.
_BOOTSTRAP = """\
import sys
sys.path[:] = {path!r}
from farside._worker.interpreter import main
main({ends})
"""


class SubinterpreterBackend(Backend):
    """Starts subinterpreters."""

    name = "subinterpreter"

    @staticmethod
    def availability() -> Availability:
        return interpreters.availability()

    def start(self, options: Options) -> SubinterpreterWorker:
        name = surroundings.name_of(options)
        job = surroundings.pack(options, in_process=True, backend=self.name, name=name)
        # Classes of the main module come back under this name (see _worker.job).
        sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
        interpreters.module()
        worker: SubinterpreterWorker | None = None

        def begin() -> None:
            nonlocal worker
            worker = SubinterpreterWorker(name, *open_channel(options.arena_bytes))

        try:
            held_back(begin)
            assert worker is not None
            with contextlib.suppress(ChannelClosedError):  # gone already: receiving tells
                worker.channel.send(JOB, 0, codec.dumps(tuple(job)))
        except BaseException:  # KeyboardInterrupt: nobody gets to know the worker
            if worker is not None:
                worker.channel.close()
            raise
        return worker


class SubinterpreterWorker(Worker):
    """A worker that is a subinterpreter.

    The interpreter is made, used and closed by one thread, its host. The host is a daemon: a
    thread that is blocked in C cannot be joined, and must not keep the process from exiting.
    """

    def __init__(self, name: str, channel: PipeParentChannel, ends: WorkerEnds) -> None:
        self.channel = channel
        self._ends = ends
        self._interpreter: int | None = None
        self._problem = ""
        self._returned = False  # what it executes, before its end of the channel is closed
        self._closed = False
        self._host = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._host.start()
        except RuntimeError as error:  # no more threads can be had, or no memory for one
            for descriptor in (*ends, channel):
                descriptor.close()
            reason = f"its thread cannot be started ({error})"
            raise BackendUnavailableError(
                f"no subinterpreter can be started: {reason}; close other workers, or raise the "
                "limit of threads or memory",
                backend="subinterpreter",
                reason=reason,
            ) from error
        lifetime.track(self)

    @property
    def label(self) -> str:
        number = self._interpreter
        return "no interpreter yet" if number is None else f"interpreter {number}"

    def wait(self, timeout: float) -> bool:
        # The host cannot be joined by itself: a finalizer that runs in it may get here.
        if self._host is not threading.current_thread():
            self._host.join(max(0.0, timeout))
        if self._closed:
            lifetime.forget(self)  # the host does so too, but it may have ended before `track`
        return self._closed

    def terminate(self) -> bool:
        return False  # its listener raises SystemExit in it; more cannot be done

    def kill(self) -> bool:
        return False

    def exit_status(self) -> ExitStatus:
        if not self._returned:
            return ExitStatus("its end of the channel was closed while it ran, by other code")
        return ExitStatus(self._problem or "its interpreter ended without a word (out of memory?)")

    def _run(self) -> None:
        """Host the interpreter, from its creation to its end."""
        try:
            _hold_sigpipe()
            interpreter = interpreters.module().create()
            self._interpreter = interpreter.id
            try:
                interpreter.exec(
                    _BOOTSTRAP.format(
                        path=[each for each in sys.path if isinstance(each, str)],
                        ends=", ".join(str(end.fileno()) for end in self._ends),
                    )
                )
            except BaseException as error:  # the parent asks once it sees the end
                self._problem = _describe(error)
            finally:
                self._returned = True
                self._ends.frames.close()  # the parent learns that it has ended
                # Waits for threads left in the interpreter: the listener ends when the parent
                # closes its side of the channel.
                interpreter.close()
        except BaseException as error:  # nobody above could take it
            self._problem = _describe(error)
        finally:
            self._returned = True
            for end in self._ends:
                end.close()
            self._closed = True
            lifetime.forget(self)


def _describe(error: BaseException) -> str:
    return f"its interpreter failed: {type(error).__name__}: {error}"


def _hold_sigpipe() -> None:
    """Keep a write of the worker, after the parent has hung up, from killing the process.

    Python ignores the signal, but programs may have restored its default. Other signals stay as
    they are: processes that the worker starts would inherit a blocked SIGTERM.
    """
    if signal.getsignal(signal.SIGPIPE) is not signal.SIG_IGN:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
