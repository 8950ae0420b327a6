"""The entry points.

Their options are in `farside.options`, with a text for each.

Each function imports what it needs when it is called. A worker imports the user's main module, and
with it this one, but seldom calls one of its functions. So workers start sooner. Elsewhere all is
imported at once, since a call that imports much would block an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ._parent.defaults import MAP_BUFFER_BYTES
from ._parent.signatures import complete, takes
from ._worker.load import importing
from .options import SeveralOptions, SubinterpreterOptions, SubprocessOptions, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Sequence

    from typing_extensions import Unpack, overload

    from ._parent.iterable import RemoteIterable, SubinterpreterIterable, SubprocessIterable
    from ._parent.signatures import MapOptions, ShardOptions
    from .errors import FarsideError

if not importing():
    from ._parent import several  # noqa: F401  for `iterable` and `options` too

T = TypeVar("T")
S = TypeVar("S")
M = TypeVar("M")


@takes(SubprocessOptions)
def iterate_in_subprocess(
    fn: Callable[[], Iterable[T]], **options: Unpack[SubprocessOptions]
) -> SubprocessIterable[T]:
    """Run an iterable in a subprocess.

    Args:
        fn: makes the iterable. It is called once, in the worker, after the initializers. Each pass
            calls ``iter()`` on what it returned. ``fn`` and the other functions may hold what
            ``multiprocessing.Process(args=...)`` carries: queues, locks, pipes and so on.
        options: see `iterate_in_worker`. This function does not take ``backend``,
            ``backend_options`` and ``fallback``.

    Returns:
        An iterable that can be iterated again and again. Its worker is ready, unless
        ``wait=False``.

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
    from ._parent.iterable import SubprocessIterable
    from ._parent.options import check

    return SubprocessIterable(
        check(fn, backend="subprocess", **complete(iterate_in_subprocess, options))
    )


@takes(SubinterpreterOptions)
def iterate_in_subinterpreter(
    fn: Callable[[], Iterable[T]], **options: Unpack[SubinterpreterOptions]
) -> SubinterpreterIterable[T]:
    """Run an iterable in a PEP 734 subinterpreter of this process.

    It has a GIL of its own. It cannot be killed, and a crash in it ends the whole process.

    Args:
        fn: makes the iterable. It is called once, in the worker.
        options: see `iterate_in_worker`. This function does not take ``backend``,
            ``backend_options``, ``mp_context``, ``daemon`` and ``env``.

    Returns:
        An iterable that can be iterated again and again. Its worker is ready, unless
        ``wait=False``.

    Raises:
        BackendUnavailableError: a subinterpreter cannot be used, and ``fallback`` is None.
        FarsideError: the start failed otherwise; see `iterate_in_subprocess`.
        TypeError, ValueError: an argument is wrong.

    Example:
        >>> import warnings
        >>> from functools import partial
        >>> from farside import BackendFallbackWarning, iterate_in_subinterpreter
        >>> warnings.simplefilter("ignore", BackendFallbackWarning)  # on Python before 3.13
        >>> with iterate_in_subinterpreter(partial(range, 3)) as numbers:
        ...     sum(numbers)
        3
    """
    from ._parent.iterable import SubinterpreterIterable
    from ._parent.options import check

    return SubinterpreterIterable(
        check(fn, backend="subinterpreter", **complete(iterate_in_subinterpreter, options))
    )


@takes(WorkerOptions)
def iterate_in_worker(
    fn: Callable[[], Iterable[T]], **options: Unpack[WorkerOptions]
) -> RemoteIterable[T]:
    """Run an iterable in the best kind of worker that can be used here.

    Args:
        fn: makes the iterable. It is called once, in the worker.
        options: those below. All are optional. The page "Options" has the whole text for each.

    What is read:
        initializer: a function, or several, to call in the worker before ``fn``. Default: None.
        finalizer: a function, or several, to call in the worker before it ends. Default: None.
        seed: a number for ``fn``. Default: None, a random one.

    How far ahead:
        buffer_size: how many finished items may wait; -1 for no limit. Default: None, as many as
            ``buffer_bytes`` allows.
        buffer_bytes: how many bytes may wait. Default: 4 MiB.
        arena_bytes: size of the shared memory for large contents. Default: 1 GiB.

    Where it runs:
        backend: ``"subprocess"``, ``"subinterpreter"``, ``"inline"``, ``"ray"`` or ``"auto"``.
            ``"auto"`` is a subinterpreter from Python 3.14 on, and a subprocess before that, where
            a library refuses to load or PyTorch is installed, and with ``max_restarts``. A crash in
            a subinterpreter ends the program. Default: ``"auto"``.
        backend_options: further settings of ``"ray"``: see `SettingsOptions`. Default: None.
        fallback: ``"subprocess"`` or None, for where a subinterpreter cannot be used. Default:
            ``"subprocess"``.
        mp_context: ``"forkserver"``, ``"spawn"``, ``"fork"`` or a context. Default: None,
            ``"forkserver"`` where it exists.
        daemon: whether the process is a daemonic one. Default: False.
        env: environment variables for the process. Default: None.
        name: what to call the worker. Default: None, a number.
        worker_index: which one of your workers this is: `get_worker_info` tells ``fn``. Default: 0.
        worker_count: how many workers you start; told in the same way. Default: 1.
        wait: whether to wait until the worker is ready. Default: True.

    When it fails:
        timeout: seconds to wait for an item or a result. Default: None, no limit.
        init_timeout: seconds for the start. Default: None, as ``timeout``.
        shutdown_timeout: seconds for ``close()``. Default: 4.
        forward_logs: whether log records and warnings go to the parent. Default: True.
        max_restarts: how many times, in a pass, a worker that died is started again. Default: 0.
        verify_replay: whether items that are made once more are compared. Default: True.

    Returns:
        An iterable that can be iterated again and again. Its worker is ready, unless
        ``wait=False``.

    Raises:
        FarsideError: the start failed; see `iterate_in_subprocess`.
        TypeError, ValueError: an argument is wrong.

    Example:
        >>> from functools import partial
        >>> from farside import iterate_in_worker
        >>> with iterate_in_worker(partial(range, 3)) as numbers:
        ...     sum(numbers)
        3
    """
    from ._parent.iterable import RemoteIterable
    from ._parent.options import check

    return RemoteIterable(check(fn, **complete(iterate_in_worker, options)))


if TYPE_CHECKING:

    @overload
    def iterate_in_workers(
        fn: Callable[[S], Iterable[T]],
        shards: Sequence[S],
        num_workers: int,
        *,
        setup: None = None,
        **options: Unpack[ShardOptions],
    ) -> RemoteIterable[T]: ...

    @overload
    def iterate_in_workers(
        fn: Callable[[int], Iterable[T]],
        shards: int,
        num_workers: int,
        *,
        setup: None = None,
        **options: Unpack[ShardOptions],
    ) -> RemoteIterable[T]: ...

    @overload
    def iterate_in_workers(
        fn: Callable[[M, S], Iterable[T]],
        shards: Sequence[S],
        num_workers: int,
        *,
        setup: Callable[[], M],
        **options: Unpack[ShardOptions],
    ) -> RemoteIterable[T]: ...

    @overload
    def iterate_in_workers(
        fn: Callable[[M, int], Iterable[T]],
        shards: int,
        num_workers: int,
        *,
        setup: Callable[[], M],
        **options: Unpack[ShardOptions],
    ) -> RemoteIterable[T]: ...


@takes(SeveralOptions)
def iterate_in_workers(
    fn: Callable[..., Iterable[T]],
    shards: Sequence[Any] | int,
    num_workers: int,
    *,
    setup: Callable[[], Any] | None = None,
    in_order: bool = True,
    cycle_length: int | None = None,
    shuffle_shards: bool = False,
    rank: int = 0,
    world_size: int = 1,
    length: int | None = None,
    max_restarts: int = 0,
    verify_replay: bool = True,
    **options: Unpack[SeveralOptions],
) -> RemoteIterable[T]:
    """Read the shards of a sequence in several workers.

    The sequence does not depend on the number of workers, on how fast they are, on the backend, or
    on whether one dies. ``cycle_length`` shards are open at a time, in as many slots. The loop gets
    one item of each slot in turn. Slot i reads the shards i, i + cycle_length, and so on, one after
    the other; a slot whose shards have ended loses its turn.

    Args:
        fn: ``fn(shard)`` makes the iterable of a shard. It is called in a worker, for each shard in
            each pass. `get_worker_info` tells it ``shard``, ``shard_seed`` and ``epoch``.
        shards: a sequence of anything that can be pickled, such as paths; or a number n, for the
            shards 0 to n - 1. They are sent once, when the workers start.
        num_workers: how many workers there are. 0 runs all in the calling thread, as
            ``backend="inline"`` does.
        setup: makes what lasts from pass to pass, such as a model or a connection: once in each
            worker, after the initializers. ``fn`` is then called as ``fn(made, shard)``, and
            `RemoteIterable.call` reaches what was made. Default: None.
        in_order: whether the items come in the order above. False gives items as they come: each
            shard's in order, and any worker reads the next shard. Default: True.
        cycle_length: how many shards are open at a time. Default: 16, or as many as there are.
        shuffle_shards: whether each pass reads the shards in another order, which ``seed`` and the
            epoch decide. With ``world_size`` it needs a ``seed``: a pass without one is a
            ValueError. Default: False.
        rank: which process of a job this is, from 0. It reads each ``world_size``-th shard, from
            the one of this number on. Default: 0.
        world_size: how many processes the job has. Default: 1.
        length: how many items each pass has here, if you know that: what ``len()`` returns, as
            progress bars ask. Nothing checks it. Default: None.
        max_restarts: how many times, in a pass and for all workers together, a worker that has died
            or run out of time is started again. It goes on after the last item that has arrived, so
            ``fn(shard)`` must yield the same items each time. Default: 0.
        verify_replay: whether items that are made once more, after a restart or a resume, are
            compared with the earlier ones, by digests of a sample. A difference raises
            `ReplayDivergedError`. Default: True.
        options: see `iterate_in_worker`. ``buffer_size`` and ``buffer_bytes`` are for each worker;
            ``env`` may be a function of a worker's number; ``name`` gets that number added.

    Returns:
        An iterable that can be iterated again and again. It has no length unless you pass
        ``length``. Its workers are ready, unless ``wait=False``.

    Raises:
        Exception: see `iterate_in_worker`. What a shard raises is raised in its turn.

    Example:
        >>> from farside import iterate_in_workers
        >>> with iterate_in_workers(range, [3, 1, 2], num_workers=2) as numbers:
        ...     list(numbers)
        [0, 0, 0, 1, 1, 2]
    """
    from ._parent.several import iterate_shards

    return iterate_shards(
        fn,
        shards,
        num_workers,
        setup=setup,
        in_order=in_order,
        cycle_length=cycle_length,
        shuffle_shards=shuffle_shards,
        rank=rank,
        world_size=world_size,
        length=length,
        options={
            **complete(iterate_in_workers, options),
            "max_restarts": max_restarts,
            "verify_replay": verify_replay,
        },
    )


if TYPE_CHECKING:

    @overload
    def map_in_workers(
        function: Callable[[S], Iterable[T]],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: None = None,
        flat: Literal[True],
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T | FarsideError]: ...

    @overload
    def map_in_workers(
        function: Callable[[M, S], Iterable[T]],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: Callable[[], M],
        flat: Literal[True],
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T | FarsideError]: ...

    @overload
    def map_in_workers(
        function: Callable[[S], Iterable[T]],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: None = None,
        flat: Literal[True],
        on_error: Literal["raise", "skip"] = "raise",
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T]: ...

    @overload
    def map_in_workers(
        function: Callable[[M, S], Iterable[T]],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: Callable[[], M],
        flat: Literal[True],
        on_error: Literal["raise", "skip"] = "raise",
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T]: ...

    @overload
    def map_in_workers(
        function: Callable[[S], T],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: None = None,
        flat: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T | FarsideError]: ...

    @overload
    def map_in_workers(
        function: Callable[[M, S], T],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: Callable[[], M],
        flat: Literal[False] = False,
        on_error: Literal["return"],
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T | FarsideError]: ...

    @overload
    def map_in_workers(
        function: Callable[[S], T],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: None = None,
        flat: Literal[False] = False,
        on_error: Literal["raise", "skip"] = "raise",
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T]: ...

    @overload
    def map_in_workers(
        function: Callable[[M, S], T],
        items: Iterable[S] | AsyncIterable[S],
        num_workers: int,
        *,
        setup: Callable[[], M],
        flat: Literal[False] = False,
        on_error: Literal["raise", "skip"] = "raise",
        **options: Unpack[MapOptions],
    ) -> RemoteIterable[T]: ...


@takes(SeveralOptions, buffer_bytes=MAP_BUFFER_BYTES)
def map_in_workers(
    function: Callable[..., Any],
    items: Iterable[Any] | AsyncIterable[Any],
    num_workers: int,
    *,
    setup: Callable[[], Any] | None = None,
    flat: bool = False,
    in_order: bool = True,
    task_timeout: float | None = None,
    retries: int = 0,
    on_error: Literal["raise", "return", "skip"] = "raise",
    **options: Unpack[SeveralOptions],
) -> RemoteIterable[Any]:
    """Call a function with each of some inputs, in several workers, and loop over the results.

    ``items`` is iterated in the thread of the loop, as results are taken. Each pass iterates it
    anew. What it raises is raised in its turn. Inputs and results are snapshots: an input is as it
    was when it was taken, and a result as it was when it was returned.

    Args:
        function: ``function(item)`` is called in a worker. `get_worker_info` tells it the index of
            the input, as ``shard``, and a seed for it, ``shard_seed``.
        items: any iterable; in an ``async for`` loop also an async one. An object that is both,
            such as another iterable of farside, is awaited there. Its elements must be picklable.
        num_workers: how many workers there are. 0 runs all in the calling thread, as
            ``backend="inline"`` does.
        setup: makes what lasts, such as a model: once in each worker, after the initializers.
            ``function`` is then called as ``function(made, item)``. Default: None.
        flat: whether ``function`` returns an iterable, whose elements are the results. Default:
            False.
        in_order: whether the results come in the order of the inputs. False gives them as they
            come. Default: True.
        task_timeout: how many seconds one input may take; with ``flat``, up to its next result. The
            worker is then ended, and another one goes on. Default: None, no limit.
        retries: how many times an input is tried again if its worker dies or runs out of time. An
            exception is not tried again. Default: 0.
        on_error: what the loop gets for an input that fails: ``function`` raised an exception, its
            worker died or ran out of time, or the input or its result cannot be pickled or loaded.
            ``"raise"`` raises the exception in its turn and ends the pass; the workers stay for the
            next. ``"return"`` gives the exception as the result. ``"skip"`` leaves the result out.
            The exception's ``input_index`` is the index of the input. Default: ``"raise"``.
        options: see `iterate_in_worker`. With ``buffer_size``, at most ``num_workers +
            buffer_size`` inputs are taken whose results the loop does not have yet. Without it,
            each worker may have ``buffer_bytes`` of inputs, and as many bytes of results; the
            default is 8 MiB here. ``env`` may be a function of a worker's number; ``name`` gets
            that number added.

    Returns:
        An iterable that can be iterated again and again. ``len()`` is that of ``items``, except
        with ``flat`` or ``on_error="skip"``. Its workers are ready, unless ``wait=False``.

        When a worker dies, only the input that it was running fails. Another worker gets its other
        inputs; some of them may run twice, if their results were lost. But a crash in a
        subinterpreter ends the whole program. ``backend="auto"`` takes one from Python 3.14 on,
        except with ``retries`` or ``task_timeout``: pass ``backend="subprocess"`` if the function
        may crash.

        `RemoteIterable.load_state_dict` iterates ``items`` from the beginning, and drops the inputs
        whose results the loop was given before. So a one-shot iterator must be a new one.

    Raises:
        Exception: see `iterate_in_worker`.

    Example:
        >>> from farside import map_in_workers
        >>> with map_in_workers(abs, [3, -1, -2], num_workers=2) as results:
        ...     list(results)
        [3, 1, 2]
    """
    from ._parent.several import map_inputs

    return map_inputs(
        function,
        items,
        num_workers,
        setup=setup,
        flat=flat,
        in_order=in_order,
        task_timeout=task_timeout,
        retries=retries,
        on_error=on_error,
        options=complete(map_in_workers, options),
    )
