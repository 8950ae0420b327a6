"""Starting a worker, and another one where a module refuses to load in a subinterpreter."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from ._backends import lifetime, registry
from ._session import Session
from ._warn import warn
from .errors import BackendFallbackWarning, BackendUnavailableError, FarsideError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._options import Options


class Starter:
    """Starts the workers of one remote iterable: the first, and perhaps what takes over from it.

    Args:
        options: what the user asked for.

    Attributes:
        reason: why the present backend was taken.

    Raises:
        BackendUnavailableError: no backend can be used that the user allows.
    """

    def __init__(self, options: Options) -> None:
        lifetime.check_start()
        choice = registry.choose(options.backend, options.fallback, process=options.env is not None)
        self.reason = choice.reason
        self._options = options
        self._first = choice.name
        if options.backend not in {choice.name, "auto"}:
            self._warn(choice.name)

    def start(self) -> Session:
        """Start a worker, or the fallback if it turns out not to do, and wait until it stands by.

        Raises:
            FarsideError: it failed, died, or took too long.
        """
        return self._start(self._first)

    def fallback(self, failed: Session, error: FarsideError) -> Callable[[], Session] | None:
        """Return what starts the fallback; None if the failure is not one that it is there for.

        Args:
            failed: the session, which has ended.
            error: what has ended it.

        Raises:
            BackendUnavailableError: it would be, but there is none.
        """
        if error.refused_module is None:
            return None
        backend = self._check_fallback(failed, error)

        def begin() -> Session:
            failed.close()
            return self._start(backend)

        return begin

    def _start(self, backend: str) -> Session:
        worker = session = None
        begin = monotonic()
        try:
            worker = registry.start(backend, self._options)
            session = Session(worker, backend, self._options)
            session.await_initialization()
            session.ledger.startup_seconds = monotonic() - begin
        except FarsideError as error:
            if session is None:
                raise
            session.close()
            if error.refused_module is None:
                raise
            return self._start(self._check_fallback(session, error))
        except BaseException:
            if session is not None:
                session.close()
            elif worker is not None:
                worker.channel.close()  # it ends by itself
            raise
        return session

    def _check_fallback(self, refused: Session, error: FarsideError) -> str:
        """Return what takes over where a module refuses to load, with a warning."""
        module = error.refused_module
        self.reason = f"the extension module {module} does not support loading in subinterpreters"
        fallback = self._options.fallback
        if fallback is None:
            raise BackendUnavailableError(
                f"the subinterpreter backend cannot run this fn: {self.reason}; use "
                "iterate_in_subprocess, or leave fallback='subprocess'",
                backend=refused.backend,
                reason=self.reason,
            ) from error
        self._warn(fallback)
        return fallback

    def _warn(self, backend: str) -> None:
        warn(f"a {backend} runs the iterable, since {self.reason}", BackendFallbackWarning)
