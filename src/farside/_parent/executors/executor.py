"""WorkerExecutor: runs calls in workers, with the interface of `concurrent.futures`."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, ParamSpec, TypeVar

from ..._backends import live_workers
from ..._backends.preparation import main_goes_by_value
from ..._system.signals import defer_signals
from ..._worker.mapper import Chunk, Mapper, run_task
from ..checks import MAX_LEN, count, limit, seconds
from ..defaults import SHUTDOWN_SECONDS
from ..options import check_setup
from ..passes.batches import Plan
from ..several import options_of_mappers
from ..signatures import knows
from .arguments import without_arguments, workers_of
from .crew import Crew
from .pending import Work
from .results import results_of

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from typing import Concatenate

    from typing_extensions import Self, overload
    from typing_extensions import TypeVar as WithDefault

    M_co = WithDefault("M_co", covariant=True, default=None)
else:
    M_co = TypeVar("M_co", covariant=True)  # before Python 3.13 they have no default

P = ParamSpec("P")
T = TypeVar("T")


class WorkerExecutor(Executor, Generic[M_co]):
    """Runs calls in workers: a `concurrent.futures.Executor`.

    If a worker dies, the call that it ran fails with `WorkerDiedError`, and another worker takes
    its place. But a crash in a subinterpreter ends the whole program. ``backend="auto"`` uses
    subinterpreters from Python 3.14 on, except with ``retries`` or ``task_timeout``. So pass
    ``backend="subprocess"`` if calls may crash.

    The workers are started with the first call. In coroutines, use ``async with``: leaving the
    block then does not block the event loop.

    Args:
        max_workers: how many workers there are. Default: None, as many as the processors that this
            process may use, by its affinity, the quota of its container and ``-X cpu_count``.
        backend: see `iterate_in_worker`. Default: ``"auto"``.
        backend_options: see `iterate_in_worker`. Default: None.
        mp_context: see `iterate_in_worker`. Default: None.
        env: environment variables of the workers; see `iterate_in_workers`. Default: None.
        init_timeout: how many seconds a worker may take to start, with `initializer` and `setup`.
            Default: None, no limit.
        setup: makes an object that lasts, such as a model, once in each worker. ``submit(fn, x)``
            then calls ``fn(made, x)``. In annotations, write ``WorkerExecutor[Model]`` if the setup
            makes a ``Model``, and ``WorkerExecutor`` if there is no setup. Default: None.
        initializer: a function to call in each worker first. If it fails, the executor is broken.
            Default: None.
        initargs: its arguments. Default: none.
        finalizer: see `iterate_in_worker`. It can close what `setup` has made. Default: None.
        shutdown_timeout: see `iterate_in_worker`. Default: 4 seconds.
        task_timeout: how many seconds a call may take. Its worker is then ended, and the future
            gets a `WorkerTimeoutError`. Default: None, no limit.
        retries: how many times a call is made again if its worker dies or runs out of time.
            Default: 0.
        max_tasks_per_child: how many calls a worker makes before another one takes its place, as a
            cure for memory leaks; a chunk of `map` counts as one. Default: None, no limit.

    Raises:
        TypeError, ValueError: an argument is wrong.

    Example:
        >>> from farside import WorkerExecutor
        >>> with WorkerExecutor(2) as executor:
        ...     executor.submit(pow, 2, 5).result(), list(executor.map(abs, [1, -2]))
        (32, [1, 2])
    """

    _defer_signals = staticmethod(defer_signals)  # finalizers find no global name at exit
    _all_told = live_workers.all_told

    @knows
    def __init__(
        self,
        max_workers: int | None = None,
        *,
        backend: Literal["auto", "subprocess", "subinterpreter", "ray"] | str = "auto",  # noqa: PYI051
        backend_options: Mapping[str, Any] | None = None,
        mp_context: Literal["forkserver", "spawn", "fork"] | BaseContext | None = None,
        env: Mapping[str, str] | Callable[[int], Mapping[str, str] | None] | None = None,
        init_timeout: float | None = None,
        setup: Callable[[], M_co] | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        finalizer: Callable[[], object] | Sequence[Callable[[], object]] | None = None,
        shutdown_timeout: float = SHUTDOWN_SECONDS,
        task_timeout: float | None = None,
        retries: int = 0,
        max_tasks_per_child: int | None = None,
    ) -> None:
        workers = workers_of(max_workers, backend)
        check_setup(setup)
        mapper = Mapper(run_task, setup, timed=task_timeout is not None, one_by_one=True)
        given = {
            "backend": backend,
            "backend_options": backend_options,
            "fallback": "subprocess",
            "mp_context": mp_context,
            "env": env,
            "init_timeout": limit("init_timeout", init_timeout, "for no limit"),
            "initializer": without_arguments(initializer, initargs),
            "finalizer": finalizer,
            "shutdown_timeout": shutdown_timeout,
            "wait": False,
        }
        options, most = options_of_mappers(workers, mapper, given, task_timeout, retries), None
        if max_tasks_per_child is not None:
            most = count("max_tasks_per_child", max_tasks_per_child, "tasks")
        one, by_value = options[0], main_goes_by_value(options[0])
        plan = Plan(workers, False, False, None, one.buffer_bytes, "return", one.retries, by_value)
        self._max_workers = workers  # Dask reads it
        self._crew = Crew(options, plan, most)

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # it is for all that an executor is given
        def submit(
            self: WorkerExecutor[None], fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
        ) -> Future[T]: ...

        @overload  # `setup` makes the first argument
        def submit(
            self, fn: Callable[Concatenate[M_co, P], T], /, *args: P.args, **kwargs: P.kwargs
        ) -> Future[T]: ...

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Let a worker call ``fn(*args, **kwargs)``, and return a future of what it returns.

        Raises:
            RuntimeError: the executor was shut down.
            BrokenWorkersError: its workers cannot be started.
        """
        future: Future[T] = Future()
        self._crew.submit(Work(future, (fn, args, kwargs), next(self._crew.positions)))
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over ``map(fn, *iterables)``, in order.

        Args:
            fn: what to call.
            iterables: where its arguments come from.
            timeout: how many seconds all calls may take, from now on. Default: None, no limit.
            chunksize: how many calls a task has. Default: 1.
            buffersize: how many tasks may be submitted whose results were not taken yet. Default:
                None, all are submitted at once.

        Raises:
            TimeoutError: a result did not come in time. Before Python 3.11 it is the one of
                `concurrent.futures`, which is another class than the built-in one.
        """
        size = count("chunksize", chunksize, "calls", most=MAX_LEN)
        most = None if buffersize is None else count("buffersize", buffersize, "tasks", 1, MAX_LEN)
        left = None if timeout is None else seconds("timeout", timeout, ", or None", positive=False)
        end = None if left is None else time.monotonic() + left
        calls = zip(*iterables)  # noqa: B905  as `map` does
        tasks = iter(lambda: list(itertools.islice(calls, size)), [])
        fn_of_chunk = Chunk(fn)
        futures = deque(self.submit(fn_of_chunk, chunk) for chunk in itertools.islice(tasks, most))
        # While inputs are left, the iterator keeps the executor alive, or they would be lost.
        submit = None if most is None else self.submit
        return results_of(futures, end, submit, fn_of_chunk, tasks)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  as in the base
        """Accept no more calls, and end the workers when all that were submitted are done.

        Args:
            wait: whether to wait until the workers have ended. Default: True.
            cancel_futures: whether to cancel the calls that no worker has. Default: False.
        """
        self._crew.shut_down(cancel=cancel_futures)
        if wait:
            self._crew.join()
            self._crew.tell_of_end()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Shut down, and wait for the calls. After Ctrl-C, end the workers instead of waiting."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.terminate_workers()
            return self.shutdown()
        try:
            return self.shutdown()
        except BaseException:  # Ctrl-C, or another signal whose handler raises
            self.__exit__(KeyboardInterrupt)
            raise

    async def __aenter__(self) -> Self:
        """Return self: ``async with`` leaves without blocking the event loop."""
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Leave as `__exit__` does, without blocking the event loop.

        If the task is cancelled, this ends the workers, as `__exit__` does after Ctrl-C.
        """
        if not self._crew.is_foreign():  # asyncio's event loops do not run in a forked child
            from ..event_loops import ends_all, off_loop  # not everybody needs it

            leave = partial(self.__exit__, KeyboardInterrupt if ends_all(error) else None)
            await off_loop(leave, self.terminate_workers)

    def terminate_workers(self) -> None:
        """End the workers at once: waiting calls are cancelled, others get `BrokenWorkersError`.

        A process gets SIGTERM. A subinterpreter is asked to end, and left behind if it does not.
        """
        self._crew.end_now(kill=False)

    def kill_workers(self) -> None:
        """As `terminate_workers`, but a process gets SIGKILL."""
        self._crew.end_now(kill=True)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: its workers belong to this process."""
        raise TypeError(
            "a WorkerExecutor cannot be copied or pickled, since its workers belong to this "
            "process; submit a function that does not refer to it"
        )

    def __del__(self) -> None:
        crew = getattr(self, "_crew", None)
        if crew is not None and not self._all_told.is_set():
            # Ctrl-C would be swallowed here, and the workers would go on for ever.
            self._defer_signals(lambda: crew.shut_down(cancel=False))
