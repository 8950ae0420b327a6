"""The entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ._iterable import RemoteIterable, SubinterpreterIterable, SubprocessIterable
from ._options import ARENA_BYTES, BUFFER_BYTES, SHUTDOWN_SECONDS, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from multiprocessing.context import BaseContext

T = TypeVar("T")


def iterate_in_subprocess(
    fn: Callable[[], Iterable[T]],
    *,
    buffer_size: int | None = None,
    initializer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
    mp_context: str | BaseContext | None = None,
    timeout: float | None = None,
    init_timeout: float | None = None,
    daemon: bool = False,
    buffer_bytes: int = BUFFER_BYTES,
    arena_bytes: int = ARENA_BYTES,
    shutdown_timeout: float = SHUTDOWN_SECONDS,
    finalizer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
    env: Mapping[str, str] | None = None,
    name: str | None = None,
    worker_index: int = 0,
    worker_count: int = 1,
    seed: int | None = None,
    forward_logs: bool = True,
) -> SubprocessIterable[T]:
    """Run an iterable in a subprocess.

    Args:
        fn: makes the iterable. It is called once, in the worker, after the initializers; each
            pass calls ``iter()`` on what it returned.
        buffer_size: how many finished items may wait for the parent; one more may be in the
            making. None: at least 3, and more while what waits is below ``buffer_bytes``.
        initializer: called in the worker first: a function, or several.
        mp_context: start method, as a name or a multiprocessing context. Default:
            ``"forkserver"`` where it exists, else ``"spawn"``.
        timeout: seconds without an item, without the answer to a `call`, or without the end of the
            initialization, after which the worker is ended and `WorkerTimeoutError` raised. None:
            no limit.
        init_timeout: seconds for the initialization, from the start of the worker until ``fn`` has
            returned, if another limit than ``timeout`` shall hold for it.
        daemon: whether the process is a daemonic one, in the sense of multiprocessing.
        buffer_bytes: byte budget of the automatic buffer. Default: 1 MiB.
        arena_bytes: size of the memory that carries large contents beside the pipe. It is shared,
            anonymous, and taken as it is used. What finds no room there goes through the pipe; 0
            sends all that way. Default: 1 GiB.
        shutdown_timeout: seconds that ``close()`` may take. Default: 4.
        finalizer: called in the worker before it ends in an orderly way, after the last pass or a
            failure: a function, or several, each also when an earlier one fails (then with a
            `FinalizerFailedWarning`). They have half of ``shutdown_timeout``, and where nobody
            waits for the worker (the iterable was dropped, the parent is gone) less than a second.
            A worker that is killed runs none.
        env: environment variables for the worker, in addition to those of this process. They are
            there before anything of yours is imported, so the process is then spawned, unless
            ``mp_context`` says otherwise. Not for what Python itself reads as it starts.
        name: what to call the worker: in messages, in `get_worker_info`, and as a process or
            thread. Default: a number.
        worker_index: which one of several workers this is, for `get_worker_info`.
        worker_count: how many workers there are, for `get_worker_info`. Default: 1.
        seed: a number from 0 to 2**64 - 1, for `get_worker_info`. None: a random one.
        forward_logs: let log records and warnings of the worker go to the parent's loggers and
            warning machinery. Default: True. False leaves them to the worker's own, which print
            warnings, and records from ``WARNING`` up, on the standard error stream.

    Returns:
        An iterable that can be iterated again and again. The worker stands by.

    Raises:
        TypeError, ValueError: an argument is wrong.
        NotPicklableError: ``fn`` or an initializer cannot be sent to the worker.
        WorkerInitializationError: an initializer or ``fn`` failed (also of the original type).
        WorkerDiedError: the worker ended while it was being initialized.
        WorkerTimeoutError: its initialization took too long.
        BackendUnavailableError: no such process can be started here.

    Example:
        >>> from functools import partial
        >>> from farside import iterate_in_subprocess
        >>> with iterate_in_subprocess(partial(range, 3)) as numbers:
        ...     sum(numbers)
        3
    """
    return SubprocessIterable(
        check(
            fn,
            backend="subprocess",
            buffer_size=buffer_size,
            initializer=initializer,
            mp_context=mp_context,
            timeout=timeout,
            init_timeout=init_timeout,
            daemon=daemon,
            buffer_bytes=buffer_bytes,
            arena_bytes=arena_bytes,
            shutdown_timeout=shutdown_timeout,
            finalizer=finalizer,
            env=env,
            name=name,
            worker_index=worker_index,
            worker_count=worker_count,
            seed=seed,
            forward_logs=forward_logs,
        )
    )


def iterate_in_subinterpreter(
    fn: Callable[[], Iterable[T]],
    *,
    buffer_size: int | None = None,
    initializer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
    timeout: float | None = None,
    init_timeout: float | None = None,
    fallback: str | None = "subprocess",
    buffer_bytes: int = BUFFER_BYTES,
    arena_bytes: int = ARENA_BYTES,
    shutdown_timeout: float = SHUTDOWN_SECONDS,
    finalizer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
    name: str | None = None,
    worker_index: int = 0,
    worker_count: int = 1,
    seed: int | None = None,
    forward_logs: bool = True,
) -> SubinterpreterIterable[T]:
    """Run an iterable in a PEP 734 subinterpreter of this process.

    It has a GIL of its own, and starts faster and costs less memory than a process. It cannot be
    killed, and a crash in it ends the whole process.

    `iterate_in_subprocess` has the details of the arguments that both take.

    Args:
        fn: makes the iterable. It is called once, in the worker.
        buffer_size: how many finished items may wait. None: goes by ``buffer_bytes``.
        initializer: called in the worker first: a function, or several.
        timeout: seconds without an item, after which the worker is ended. None: no limit.
        init_timeout: seconds for the start, if another limit than ``timeout`` shall hold.
        fallback: ``"subprocess"`` takes over, with a `BackendFallbackWarning`, where a
            subinterpreter cannot be had: this Python has none, or an extension module (such as
            NumPy's) refuses to load in one, before any item was taken. None: raise instead.
            (`iterate_in_worker` also takes options for the subprocess.)
        buffer_bytes: byte budget of the automatic buffer. Default: 1 MiB.
        arena_bytes: size of the memory that carries large contents. Default: 1 GiB.
        shutdown_timeout: seconds that ``close()`` may take. Default: 4.
        finalizer: called in the worker before it ends: a function, or several.
        name: what to call the worker. Default: a number.
        worker_index: which one of several workers this is. Default: 0.
        worker_count: how many workers there are. Default: 1.
        seed: a number, for `get_worker_info`. None: a random one.
        forward_logs: let log records and warnings go to the parent. Default: True.

    Returns:
        An iterable that can be iterated again and again. The worker stands by.

    Raises:
        BackendUnavailableError: a subinterpreter cannot be had, and ``fallback`` is None.
        TypeError, ValueError, NotPicklableError, WorkerInitializationError, WorkerDiedError,
            WorkerTimeoutError: see `iterate_in_subprocess`.

    Example:
        >>> import warnings
        >>> from functools import partial
        >>> from farside import BackendFallbackWarning, iterate_in_subinterpreter
        >>> warnings.simplefilter("ignore", BackendFallbackWarning)  # on Python before 3.13
        >>> with iterate_in_subinterpreter(partial(range, 3)) as numbers:
        ...     sum(numbers)
        3
    """
    return SubinterpreterIterable(
        check(
            fn,
            backend="subinterpreter",
            buffer_size=buffer_size,
            initializer=initializer,
            timeout=timeout,
            init_timeout=init_timeout,
            fallback=fallback,
            buffer_bytes=buffer_bytes,
            arena_bytes=arena_bytes,
            shutdown_timeout=shutdown_timeout,
            finalizer=finalizer,
            name=name,
            worker_index=worker_index,
            worker_count=worker_count,
            seed=seed,
            forward_logs=forward_logs,
        )
    )


def iterate_in_worker(
    fn: Callable[[], Iterable[T]],
    *,
    backend: str = "auto",
    buffer_size: int | None = None,
    initializer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
    mp_context: str | BaseContext | None = None,
    timeout: float | None = None,
    init_timeout: float | None = None,
    daemon: bool = False,
    fallback: str | None = "subprocess",
    buffer_bytes: int = BUFFER_BYTES,
    arena_bytes: int = ARENA_BYTES,
    shutdown_timeout: float = SHUTDOWN_SECONDS,
    finalizer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
    env: Mapping[str, str] | None = None,
    name: str | None = None,
    worker_index: int = 0,
    worker_count: int = 1,
    seed: int | None = None,
    forward_logs: bool = True,
) -> RemoteIterable[T]:
    """Run an iterable in the best worker that can be had here.

    `iterate_in_subprocess` has the details of the arguments that both take.

    Args:
        fn: makes the iterable. It is called once, in the worker.
        backend: ``"subprocess"``, ``"subinterpreter"``, or ``"auto"``: a subinterpreter from
            Python 3.14 on, and a subprocess on older Pythons. What was taken, and why, is in
            `RemoteIterable.backend` and `RemoteIterable.backend_reason`. ``"inline"`` runs it in
            the calling thread, for debugging; `register_backend` adds names.
        buffer_size: how many finished items may wait. None: goes by ``buffer_bytes``.
        initializer: called in the worker first: a function, or several.
        mp_context: start method of a subprocess. A subinterpreter has no use for it; it is kept
            for the case that a subprocess takes over.
        timeout: seconds without an item, after which the worker is ended. None: no limit.
        init_timeout: seconds for the start, if another limit than ``timeout`` shall hold.
        daemon: whether a subprocess is a daemonic one.
        fallback: see `iterate_in_subinterpreter`. ``"auto"`` uses it when an extension module
            refuses to load in the subinterpreter.
        buffer_bytes: byte budget of the automatic buffer. Default: 1 MiB.
        arena_bytes: size of the memory that carries large contents. Default: 1 GiB.
        shutdown_timeout: seconds that ``close()`` may take. Default: 4.
        finalizer: called in the worker before it ends: a function, or several.
        env: environment variables for the worker. ``backend="auto"`` then takes a subprocess.
        name: what to call the worker. Default: a number.
        worker_index: which one of several workers this is. Default: 0.
        worker_count: how many workers there are. Default: 1.
        seed: a number, for `get_worker_info`. None: a random one.
        forward_logs: let log records and warnings go to the parent. Default: True.

    Returns:
        An iterable that can be iterated again and again. The worker stands by.

    Raises:
        Exception: see `iterate_in_subprocess` and `iterate_in_subinterpreter`.

    Example:
        >>> from functools import partial
        >>> from farside import iterate_in_worker
        >>> with iterate_in_worker(partial(range, 3)) as numbers:
        ...     sum(numbers)
        3
    """
    return RemoteIterable(
        check(
            fn,
            backend=backend,
            buffer_size=buffer_size,
            initializer=initializer,
            mp_context=mp_context,
            timeout=timeout,
            init_timeout=init_timeout,
            daemon=daemon,
            fallback=fallback,
            buffer_bytes=buffer_bytes,
            arena_bytes=arena_bytes,
            shutdown_timeout=shutdown_timeout,
            finalizer=finalizer,
            env=env,
            name=name,
            worker_index=worker_index,
            worker_count=worker_count,
            seed=seed,
            forward_logs=forward_logs,
        )
    )
