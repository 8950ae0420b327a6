"""Every exception and warning of farside, but for `BrokenWorkersError` of executors.

.. code-block:: text

    RuntimeError
    └── FarsideError
        ├── BackendUnavailableError        no worker of this kind can be had here
        ├── NotPicklableError              fn or an item cannot be sent (also TypeError)
        ├── WorkerFailedError              the user's code failed in the worker
        │   ├── WorkerInitializationError  … in an initializer or in fn
        │   ├── WorkerIterationError       … in iter() or next()
        │   └── CallFailedError            … in a method that was called (the worker stays usable)
        ├── WorkerDiedError                the worker ended without a word
        ├── WorkerTimeoutError             no item in time (also TimeoutError)
        ├── IterableClosedError            the iterable was closed, or had failed before
        ├── PassOpenError                  a call, a new state or epoch, while an iterator is open
        ├── PassSupersededError            a newer pass over the same iterable has begun
        ├── ReplayDivergedError            a pass that was to be the same as before is not
        ├── ProtocolError                  a message that may not come now, or no message at all
        └── LinkClosedError                the other end is gone (never leaves farside)
    Exception
    └── RemoteTraceback                    the worker's traceback, as ``__cause__``
    RuntimeWarning
    └── FarsideWarning
        ├── BackendFallbackWarning         another backend took over
        ├── ExhaustedIteratorWarning       a pass over an iterator that an earlier pass has used up
        ├── FinalizerFailedWarning         a finalizer has raised something, or was cut off
        ├── WorkerAbandonedWarning         a worker could not be ended and was left behind
        └── WorkerRestartedWarning         a worker has died, and was started again

A failure of the user's code is raised as a class that is both the farside class and the original
type, wherever that can be built, so ``except ValueError`` and ``except WorkerIterationError`` both
catch it; its ``__cause__`` is the original exception.
"""

from __future__ import annotations

__all__ = [
    "BackendFallbackWarning", "BackendUnavailableError", "CallFailedError",
    "ExhaustedIteratorWarning", "FarsideError", "FarsideWarning", "FinalizerFailedWarning",
    "IterableClosedError", "NotPicklableError", "PassOpenError", "PassSupersededError",
    "ProtocolError", "RemoteTraceback", "ReplayDivergedError", "WorkerAbandonedWarning",
    "WorkerDiedError", "WorkerFailedError", "WorkerInitializationError", "WorkerIterationError",
    "WorkerRestartedWarning", "WorkerTimeoutError",
]  # fmt: skip


class FarsideError(RuntimeError):
    """Base of all that farside raises of its own.

    Attributes:
        refused_module: name of the extension module that has refused to load in a subinterpreter,
            where that is the cause; else None.
        refused: the names, as messages show them, of the modules that have refused to load. Any
            later failure has them too, since a library may catch a refusal and then fail.
        input_index: index of the input of a map, or of the call of an executor, that has failed.

    Example:
        >>> issubclass(WorkerTimeoutError, TimeoutError), issubclass(FarsideError, RuntimeError)
        (True, True)
    """

    refused_module: str | None = None
    refused: tuple[str, ...] = ()
    input_index: int | None = None


class BackendUnavailableError(FarsideError):
    """A worker of the wanted kind cannot be used; the message says why and what helps.

    Attributes:
        backend: name of the backend.
        reason: why it cannot be used.
    """

    def __init__(self, message: str, *, backend: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.backend = backend
        self.reason = reason


class NotPicklableError(FarsideError, TypeError):
    """Something cannot cross between parent and worker.

    Attributes:
        item_index: index of the item in its pass, from 0; None when it is not about an item.
    """

    def __init__(self, message: str, *, item_index: int | None = None) -> None:
        super().__init__(message)
        self.item_index = item_index


class WorkerFailedError(FarsideError):
    """The user's code failed in the worker.

    Attributes:
        stage: ``"start"`` (the worker's threads), ``"load"`` (fn and the initializers, from their
            pickles), ``"initializer"``, ``"fn"``, ``"iter"`` or ``"next"``; of several workers also
            ``"setup"``, ``"shard"``, ``"input"`` (from its pickle) or ``"function"``; where a pass
            goes on, ``"load_state_dict"``.
        item_index: index of the item that was being made, from 0; None where none was.
        original_type: module and name of what the worker raised.
        remote_traceback: the worker's traceback, as text.
    """

    stage: str = ""
    item_index: int | None = None
    original_type: str = ""
    remote_traceback: str = ""


class WorkerInitializationError(WorkerFailedError):
    """An initializer or ``fn`` failed in the worker."""


class WorkerIterationError(WorkerFailedError):
    """``iter()`` or ``next()`` failed in the worker."""


class CallFailedError(WorkerFailedError):
    """A method that was called failed in the worker, which can be used again.

    Its `stage` is ``"arguments"`` (loading them) or ``"call"``.

    Attributes:
        method: the name of the method.
    """

    method: str = ""


class WorkerDiedError(FarsideError):
    """The worker ended without a message: killed, crashed, or ended by ``os._exit``.

    Attributes:
        exit_code: the process's exit code, negative for a signal; None where there is none.
        signal_name: name of the signal that ended it, such as ``"SIGKILL"``, or None.
        last_index: index of the last item received in the pass, from 0; None if none is known.
        state: what `RemoteIterable.state` was when the worker died.
    """

    def __init__(
        self,
        message: str,
        *,
        exit_code: int | None = None,
        signal_name: str | None = None,
        last_index: int | None = None,
        state: str = "",
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.signal_name = signal_name
        self.last_index = last_index
        self.state = state


class WorkerTimeoutError(FarsideError, TimeoutError):
    """An item, the initialization, or an answer took too long, and the worker was ended.

    Attributes:
        seconds: the limit that passed.
        last_index: index of the last item received in the pass, from 0; None if none is known.
        state: what `RemoteIterable.state` was when the time was up.
        worker_stack: where the worker's threads were then, as text; None when there was no answer,
            since the worker was in C code that holds its GIL, or stopped.
    """

    def __init__(
        self,
        message: str,
        *,
        seconds: float | None = None,
        last_index: int | None = None,
        state: str = "",
        worker_stack: str | None = None,
    ) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.last_index = last_index
        self.state = state
        self.worker_stack = worker_stack


class IterableClosedError(FarsideError):
    """The iterable was closed by its user, or by an earlier failure (then its ``__cause__``)."""


class PassOpenError(FarsideError):
    """A call, or a new state or epoch, was asked for while an iterator is open: close it first."""


class PassSupersededError(FarsideError):
    """A newer pass over the same iterable has begun; this iterator is over."""


class ReplayDivergedError(FarsideError):
    """A pass was resumed or restarted, and its items differ from those before.

    Restart and resume need passes that are the same each time: for each shard, and each epoch.
    """


class ProtocolError(FarsideError):
    """A message was wrong, or came at a wrong time: a fault of farside, a backend or a link."""


class LinkClosedError(FarsideError):
    """The other end of a link is gone. Inside farside only: users get WorkerDiedError."""


class RemoteTraceback(Exception):  # noqa: N818  named as in concurrent.futures and multiprocessing
    """The worker's traceback, shown where Python shows a cause."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class FarsideWarning(RuntimeWarning):
    """Base of all warnings of farside."""


class BackendFallbackWarning(FarsideWarning):
    """The backend that was asked for cannot be used; another took over.

    There is no such warning with ``backend="auto"``, which asks for no particular one.
    `RemoteIterable.backend_reason` and a log record of level ``INFO`` say what it took and why.
    """


class ExhaustedIteratorWarning(FarsideWarning):
    """``fn`` returned a one-shot iterator, such as a generator, and an earlier pass has used it.

    If that pass has come to its end, this one is empty. If it was left early, this one goes on
    after the items that the worker had made ahead, which are lost. One-shot ``items`` of
    `map_in_workers` give this warning too, as does a data set of ``data_loader``, used up.
    """


class FinalizerFailedWarning(FarsideWarning):
    """A finalizer has raised an exception in the worker, or was cut off, or was perhaps cut off."""


class WorkerAbandonedWarning(FarsideWarning):
    """A worker could not be ended in time and was left behind."""


class WorkerRestartedWarning(FarsideWarning):
    """A worker has died, or has run out of time, and another one goes on where it was."""
