"""The user's finalizers, which a worker runs before it ends."""

from __future__ import annotations

from .._payload.true_parts import is_a, traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Finalizers:
    """The user's finalizers, once they are loaded."""

    def __init__(self, *, interruptible: bool = False) -> None:
        self.seconds = 0.0  # how long all together may take while the parent is there
        self.expired = False  # whether that time has passed: no more are run
        self._interruptible = interruptible  # whether `run` raises the user's own KeyboardInterrupt
        self._waiting: list[tuple[int, Callable[[], object]]] = []

    def load(self, finalizers: tuple[Callable[[], object], ...], seconds: float) -> None:
        self._waiting = list(enumerate(finalizers))
        self.seconds = seconds if finalizers else 0.0

    def run(self) -> None:
        """Run the finalizers that have not run, in order, each even if an earlier one fails.

        Call this again if an exception from outside came between two of them. KeyboardInterrupt is
        raised only after the others have run.
        """
        interrupted: KeyboardInterrupt | None = None
        while self._waiting and not self.expired:
            number, finalizer = self._waiting.pop(0)
            try:
                finalizer()
            except BaseException as error:  # SystemExit too: it ends this finalizer, not the worker
                if self._interruptible and is_a(error, KeyboardInterrupt):
                    interrupted = error
                else:
                    self._report(number, error)
        if self._waiting and self.expired:  # the last one ended late, and not by SystemExit
            name = f"finalizer[{self._waiting[0][0]}]"
            text = f"{name} and those after it were" if self._waiting[1:] else f"{name} was"
            _warn(None, f"{text} not run, since the time was over; pass a longer shutdown_timeout")
            self._waiting.clear()
        if interrupted is not None:
            raise interrupted

    def _report(self, number: int, error: BaseException) -> None:
        name = f"finalizer[{number}]"
        if self.expired and is_a(error, SystemExit):
            rest = ", and those after it were not run" if self._waiting else ""
            _warn(error, f"{name} was cut off{rest}; pass a longer shutdown_timeout")
            self._waiting.clear()
        else:
            _warn(error, f"{name} failed", tell_why=True)


def _warn(error: BaseException | None, text: str, *, tell_why: bool = False) -> None:
    """Warn, at the line that has raised the error if there is one."""
    import sys  # only when something fails: it costs start-up time
    import traceback
    import warnings

    from .._payload.failure import of_user
    from .._payload.one_line import one_line
    from ..errors import FinalizerFailedWarning

    try:
        if error is None:
            warnings.warn(text, FinalizerFailedWarning, stacklevel=3)
            return
        where = traceback.extract_tb(traceback_of(error))[-1]
        told = f"{text} ({one_line(error)})" if tell_why else text
        warnings.warn_explicit(told, FinalizerFailedWarning, where.filename, where.lineno or 0)
    except BaseException:  # str() of the error is user code; or warnings are errors here
        told = text if error is None else f"{text}:"
        try:
            print(told, file=sys.stderr)  # noqa: T201  as traceback does
            if error is not None:
                traceback.print_exception(type(error), error, of_user(traceback_of(error)))
        except BaseException:  # noqa: S110  no stream to write to; the others must still run
            pass
