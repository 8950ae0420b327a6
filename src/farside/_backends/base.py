"""The interface of backends and of their workers."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._link.base import Link
    from .._parent.options import Options
    from ..errors import FarsideError


REMOTE_BUFFER_BYTES = 1 << 24
"""Default of ``buffer_bytes`` on other machines, where items on their way count too."""

_LAST_SECONDS = 0.5  # the least length of the last wait in `stop`, however small its timeout
_KILLED_SECONDS = 5.0  # the same after a kill: the worker will certainly end, but perhaps late


class Availability(NamedTuple):
    """Whether a backend can be used here.

    Example:
        >>> Availability(usable=False, reason="needs Python 3.13").usable
        False
    """

    usable: bool
    """Whether a worker of this kind can be started."""
    reason: str
    """Why not, and what would help; if it can, what it runs on."""


class Capabilities(NamedTuple):
    """What workers of a kind can do, and which rules hold for them.

    Example:
        >>> Capabilities(killable=True).own_environment
        False
    """

    killable: bool = False
    """Whether a worker can be ended whatever it does, and a crash in it ends nothing else."""
    own_environment: bool = False
    """Whether a worker can have environment variables of its own."""
    shares_memory: bool = False
    """Whether large contents can lie in memory that both sides share."""
    allows_fork: bool = True
    """Whether this process may fork while a worker lives."""
    remote: bool = False
    """Whether a worker may run on another machine."""


class ExitStatus(NamedTuple):
    """How a worker ended."""

    text: str
    """A text for people, such as "killed by SIGKILL (exit code -9)"."""
    code: int | None = None
    signal_name: str | None = None
    again: bool = True
    """Whether another worker could be started in its place."""
    struck: bool = False
    """Whether, as far as is known, something outside has ended it, and not its own code."""
    unless_begun: str = ""
    """What else may have ended it, if it died before it began."""


def unavailable(
    what: str, reason: str, cure: str = "", *, backend: str = ""
) -> BackendUnavailableError:
    text = f"{what}: {reason}; {cure}" if cure else f"{what}: {reason}"
    return BackendUnavailableError(text, backend=backend, reason=reason)


class CutOffError(Exception):
    """A start was cut off, and another try may succeed. Without one, `error` is raised."""

    def __init__(self, error: FarsideError | OSError, *, struck: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.struck = struck


class Worker(ABC):
    """One worker, as the parent sees it.

    Attributes:
        link: the parent's end of its link. Closing it tells the worker to end.
        observer: called for each command that is sent and each frame that was read, with ``"down"``
            or ``"up"``, its kind, the number of its pass, and how many items and bytes it has.
        wake: wakes up whoever waits for the worker.
        beside: whether it runs beside the thread that loops over it, and not in that thread.
        silent: whether nothing can arrive from it now: it waits for a place to run in, or the
            calling thread is itself in the middle of running its code.
        no_stack: what an error says of a worker that does not report its stacks.
        forced: whether `stop` has had to end it, since it did not end by itself in time.
    """

    link: Link
    observer: Callable[[str, int, int, int, int], object] | None = None
    wake: Callable[[], object] | None = None
    beside: bool = True
    silent: bool = False
    forced: bool = False
    no_stack: str = (
        "it does not tell where it was, so it was in C code that holds the GIL, stopped, or not "
        "started"
    )

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name in messages, such as ``"pid 4711"``."""

    @abstractmethod
    def wait(self, timeout: float) -> bool:
        """Wait for its end, at most `timeout` seconds; return whether it has ended."""

    def terminate(self) -> bool:
        """Ask it to end in a way its code can handle, such as SIGTERM; False if there is none."""
        return False

    def kill(self) -> bool:
        """End it in a way its code cannot handle, such as SIGKILL; False if there is none."""
        return False

    @abstractmethod
    def exit_status(self) -> ExitStatus:
        """Return how it ended. It is called only after the worker's end, or that of its link."""

    def was_stopped(self) -> bool:
        """Return whether it was stopped (Ctrl-Z) and continued since the last call, if known."""
        return False

    def disown(self) -> None:
        """Let this process, a forked child of the parent, forget the worker."""
        self.link.disown()

    def stop(self, timeout: float, *, waited: float = 0.0) -> bool:
        """End it within about `timeout` seconds: wait, terminate and wait, kill and wait.

        The caller has already told it to end, by a command or by closing the link, and may have
        `waited` for some of these seconds. Returns whether it has ended.
        """
        deadline = time.monotonic() + timeout - waited
        if self.wait(max(0.0, timeout / 2 - waited)):
            return True
        self.forced = True
        if self.terminate() and self.wait(timeout / 4):
            return True
        last = _KILLED_SECONDS if self.kill() else _LAST_SECONDS
        return self.wait(max(timeout / 4, deadline - time.monotonic(), last))


class Backend(ABC):
    """One kind of isolation."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities()

    @staticmethod
    @abstractmethod
    def availability() -> Availability:
        """Return whether workers of this kind can be started in this process. This is cheap."""

    @classmethod
    def availability_with(cls, options: Mapping[str, Any]) -> Availability:  # noqa: ARG003
        """Return the same for a worker with these ``backend_options``."""
        return cls.availability()

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Check ``backend_options``. Most backends take none.

        Raises:
            ValueError: there is one that this backend does not take.
        """
        if options:
            raise ValueError(
                f"backend_options={dict(options)!r} cannot be given to backend={cls.name!r}, which "
                "takes none; leave it out"
            )

    @classmethod
    def default_buffer_bytes(cls, options: Mapping[str, Any]) -> int | None:  # noqa: ARG003
        """Return the default ``buffer_bytes`` for these options; None: that of local workers."""
        return REMOTE_BUFFER_BYTES if cls.capabilities.remote else None

    @abstractmethod
    def launch(self, options: Options) -> Worker:
        """Start a worker and send it its job. Does not wait for its initialization.

        Raises:
            BackendUnavailableError: no worker can be started right now.
            NotPicklableError: the user's callables cannot be sent.
        """
