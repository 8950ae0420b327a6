"""What a backend must offer, and its workers."""

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
"""Default of ``buffer_bytes`` on other machines: items that are on their way count too."""

_LAST_SECONDS = 0.5  # how long the last wait for its end is at least, however small the limit
_KILLED_SECONDS = 5.0  # the same of one that was killed: it ends for certain, but perhaps late


class Availability(NamedTuple):
    """Whether a backend can be used here.

    Example:
        >>> Availability(usable=False, reason="needs Python 3.13").usable
        False
    """

    usable: bool
    """Whether a worker of this kind can be started."""
    reason: str
    """Why not, and what would help; or what it runs on."""


class Capabilities(NamedTuple):
    """What workers of a kind can do, and what goes for them.

    Example:
        >>> Capabilities(killable=True).own_environment
        False
    """

    killable: bool = False
    """Whether it can be ended whatever it does, and a crash in it ends nothing else."""
    own_environment: bool = False
    """Whether it can have environment variables of its own."""
    shares_memory: bool = False
    """Whether large contents can lie in memory that both sides share."""
    allows_fork: bool = True
    """Whether this process may fork while one lives."""
    remote: bool = False
    """Whether it may run on another machine."""


class ExitStatus(NamedTuple):
    """How a worker ended."""

    text: str
    """For people, such as "killed by SIGKILL (exit code -9)"."""
    code: int | None = None
    signal_name: str | None = None
    again: bool = True
    """Whether another one could be started in its place."""
    struck: bool = False
    """Whether something outside has ended it, as far as is known: its code is not to blame."""


def unavailable(
    what: str, reason: str, cure: str = "", *, backend: str = ""
) -> BackendUnavailableError:
    text = f"{what}: {reason}; {cure}" if cure else f"{what}: {reason}"
    return BackendUnavailableError(text, backend=backend, reason=reason)


class CutOffError(Exception):
    """A start was cut off, and another one may succeed. If none is tried, the error is raised."""

    def __init__(self, error: FarsideError | OSError, *, struck: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.struck = struck


class Worker(ABC):
    """One worker, as the parent holds it.

    Attributes:
        link: the parent's end of its link. Closing it tells the worker to end.
        observer: called with each command that is sent and each frame that was read: ``"down"`` or
            ``"up"``, its number, that of its pass, how many items and how many bytes it has.
        wake: lets whoever waits for the worker look around.
        beside: whether it runs beside the thread that loops over it.
        silent: whether nothing can come from it now: it waits for a place to run in, or the thread
            that asks is the one that runs its code, further up.
        no_stack: what is said of a worker that does not tell where it is.
        forced: whether `stop` has found that it does not end by itself in its time.
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
        """What to call it, such as ``"pid 4711"``."""

    @abstractmethod
    def wait(self, timeout: float) -> bool:
        """Wait for its end, `timeout` seconds at most; tell whether it has ended."""

    def terminate(self) -> bool:
        """Ask it to end by what its code may handle, such as SIGTERM; False if it knows no such."""
        return False

    def kill(self) -> bool:
        """End it by what its code cannot handle, such as SIGKILL; False if it knows no such."""
        return False

    @abstractmethod
    def exit_status(self) -> ExitStatus:
        """Tell how it ended. Only asked after its end, or when its link has closed."""

    def was_stopped(self) -> bool:
        """Tell whether it was stopped (Ctrl-Z) and went on since this was asked last, if known."""
        return False

    def disown(self) -> None:
        """Let this process, a forked child of the parent, forget the worker."""
        self.link.disown()

    def stop(self, timeout: float, *, waited: float = 0.0) -> bool:
        """End it within about `timeout` seconds: wait, terminate and wait, kill and wait.

        Whoever calls has told it to end, by a command or by closing the link, and may have `waited`
        for some of these seconds already. Returns whether it has ended.
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
        """Tell whether workers of this kind can be started in this process, cheaply."""

    @classmethod
    def availability_with(cls, options: Mapping[str, Any]) -> Availability:  # noqa: ARG003
        """Tell the same, of a worker with these ``backend_options``."""
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
        """Return ``buffer_bytes`` for these ``backend_options``; None: as on one machine."""
        return REMOTE_BUFFER_BYTES if cls.capabilities.remote else None

    @abstractmethod
    def launch(self, options: Options) -> Worker:
        """Start a worker and give it its job; does not wait for its initialization.

        Raises:
            BackendUnavailableError: it cannot be had right now.
            NotPicklableError: the user's callables cannot be sent.
        """
