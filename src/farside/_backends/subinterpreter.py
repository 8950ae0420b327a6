"""Workers that are subinterpreters of this process, each hosted by a thread of its own."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .._link.opening import WorkerEnds, open_link
from .._link.pipes import PipeLink
from .._payload.one_line import one_line
from .._system.descriptors import with_standard_filled, without_standard
from . import bundle, interpreters, live_workers, preparation
from .base import Backend, Capabilities, ExitStatus, Worker, unavailable
from .starting import start

if TYPE_CHECKING:
    from .._parent.options import Options

# Only plain data crosses into the interpreter.
_PREPARE = """\
import sys
sys.path[:] = path
vars(sys).update(dict.fromkeys(closed))
"""
_LOAD_BUNDLE = """\
import marshal
(code, of_python, own), loader = marshal.loads(catalogue), {}
exec(code, loader)
loader["load_modules"](of_python, fd)
loader["import_pickle"]()
loader["load_modules"](own, fd)
del marshal, catalogue, fd, code, of_python, own, loader
"""
_IMPORT = "from farside._worker.interpreter import main"
_RUN = "main(*ends)"
_WAIT_FOR_THREADS = """
import sys
threading = sys.modules.get("threading")
if threading is not None:
    threading._shutdown()  # what Python calls at the end: it tells idle thread pools to end, too
    threading._threading_atexits.clear()  # what does so: Python calls all of it once more
"""


class SubinterpreterBackend(Backend):
    name = "subinterpreter"
    capabilities = Capabilities(shares_memory=True, allows_fork=False)

    availability = staticmethod(interpreters.availability)

    def launch(self, options: Options) -> SubinterpreterWorker:
        name = preparation.name_of(options)
        job = preparation.pack(options, in_process=True, backend=self.name, name=name)
        interpreters.module()

        def begin() -> SubinterpreterWorker:
            ends = open_link(options.arena_bytes, both=options.sends_inputs)
            return SubinterpreterWorker(name, *ends)

        return start(begin, job, live_workers.before_exit)


class SubinterpreterWorker(Worker):
    """A worker that is a subinterpreter.

    The interpreter is made, used and closed by one thread, its host. The host is a daemon: a
    thread that is blocked in C cannot be joined, and must not keep the process from exiting.
    """

    label = "no interpreter yet"

    def __init__(self, name: str, link: PipeLink, ends: WorkerEnds) -> None:
        self.link = link
        link.in_process = True
        self._ends = ends
        self._interpreter: Any = None  # kept: Python ends an interpreter whose object is dropped
        self._problem = ""
        self._host = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._host.start()
        except RuntimeError as error:  # no more threads can be had, or no memory for one
            for descriptor in (*ends, link):
                descriptor.close()
            reason = f"its thread cannot be started ({error})"
            cure = "close other workers, or raise the limit of threads or memory"
            what = "no subinterpreter can be started"
            raise unavailable(what, reason, cure, backend="subinterpreter") from error

    def wait(self, timeout: float) -> bool:
        # The host cannot join itself: a finalizer that runs in it may get here.
        if self._host is not threading.current_thread():
            self._host.join(max(0.0, timeout))
        return not self._host.is_alive()

    # No `terminate`: the listener raises SystemExit in user code, and nothing more can be done.

    def exit_status(self) -> ExitStatus:
        if not self._ends.frames.closed:
            return ExitStatus("its end of the link was closed while it ran, by other code")
        return ExitStatus(self._problem or "its interpreter ended without a word (out of memory?)")

    def _run(self) -> None:
        """Host the interpreter, from its creation to its end."""
        try:
            closed = _closed_streams()
            # Python cannot make one while another thread's import has a folder open as file 0.
            interpreter = with_standard_filled(interpreters.module().create)
            self._interpreter, self.label = interpreter, f"interpreter {interpreter.id}"
            try:
                with_standard_filled(lambda: _import_worker(interpreter, closed))
                interpreter.prepare_main(ends=tuple(end.fileno() for end in self._ends))
                interpreter.exec(_RUN)
            except BaseException as error:  # the parent asks once it sees the end
                self._problem = f"its interpreter failed: {one_line(error)}"
            finally:
                self._ends.frames.close()  # the parent learns that it has ended
                if _close(interpreter):  # before Python 3.14 its object complains at exit
                    self._interpreter = None
        except BaseException as error:  # nothing above could handle it
            self._problem = f"its interpreter failed: {one_line(error)}"
        finally:
            for end in self._ends:
                end.close()


def _close(interpreter: Any) -> bool:
    """Close an interpreter, after the threads that are left in it. Return whether it has ended."""
    # The listener ends when the parent closes its side of the link. `close` would also wait for the
    # user's threads. But as Python exits, it closes all interpreters, and hangs if another thread
    # has begun to close one. So the threads are waited for before that.
    # (Python 3.13 hangs in any case. And there, running this code would make the program forget
    # that Ctrl-C has ended it.)
    if sys.version_info >= (3, 14):
        with suppress(BaseException):  # out of memory
            interpreter.exec(_WAIT_FOR_THREADS)
    if live_workers.some_left:
        return False
    interpreter.close()
    return True


def _closed_streams() -> tuple[str, ...]:
    """Return the names in `sys` of the standard streams that this process does not have."""
    # A new interpreter makes them of whatever now has the numbers 0, 1 and 2: files of the user.
    closed = without_standard()
    names = [
        name
        for number, name in enumerate(("stdin", "stdout", "stderr"))
        if number in closed or getattr(sys, f"__{name}__") is None
    ]
    return (*names, *(f"__{name}__" for name in names))


def _import_worker(interpreter: Any, closed: tuple[str, ...]) -> None:
    path = tuple(each for each in sys.path if isinstance(each, str))
    interpreter.prepare_main(path=path, closed=closed)
    found = bundle.open_file()
    if found is None:
        interpreter.exec(_PREPARE + _IMPORT)
        return
    catalogue, file = found
    try:
        interpreter.prepare_main(catalogue=catalogue, fd=file.fileno())
        interpreter.exec(_PREPARE + _LOAD_BUNDLE + _IMPORT)
    finally:
        file.close()
