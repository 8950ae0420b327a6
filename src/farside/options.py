"""The options of the entry points, in four groups.

What is read: `ReadOptions`. How far ahead: `AheadOptions`. Where it runs: `BackendOptions` with
`SettingsOptions`, `FallbackOptions`, `ProcessOptions`, `EnvironmentOptions` (of several workers:
`EnvironmentsOptions`), `PlaceOptions`, `IdentityOptions`. When it fails: `FailureOptions`,
`RestartOptions`.

A function of yours that passes options on can declare them:

    def read(path: str, **options: Unpack[WorkerOptions]) -> RemoteIterable[str]:
        return iterate_in_worker(partial(open, path), **options)

``Unpack`` is in ``typing`` from Python 3.11 on, and in ``typing_extensions``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.context import BaseContext

__all__ = [
    "AheadOptions", "BackendOptions", "EnvironmentOptions", "EnvironmentsOptions",
    "FailureOptions", "FallbackOptions", "IdentityOptions", "LoaderOptions", "PlaceOptions",
    "ProcessOptions", "ReadOptions", "RestartOptions", "SettingsOptions", "SeveralOptions",
    "StartMethod", "SubinterpreterOptions", "SubprocessOptions", "WorkerOptions",
]  # fmt: skip

StartMethod = Literal["forkserver", "spawn", "fork"]
"""How a process is started: a name that multiprocessing has for it."""

START_METHODS = get_args(StartMethod)


class ReadOptions(TypedDict, total=False):
    """What is read."""

    initializer: Callable[[], object] | Sequence[Callable[[], object]] | None
    """A function, or several, to call in the worker before ``fn``. Default: None.

    They run in the given order. This is the place to import large libraries, to set up logging, or
    to set the number of threads.
    """

    finalizer: Callable[[], object] | Sequence[Callable[[], object]] | None
    """A function, or several, to call in the worker before it ends. Default: None.

    They run after the last pass, and after a failure. Each runs even when an earlier one raised,
    which gives a `FinalizerFailedWarning`. With the ``finally`` blocks before them, they have half
    of ``shutdown_timeout``; if that is too short, ``close()`` gives the same warning. They have
    less than a second when nobody waits for the worker: the iterable was dropped, or the parent is
    gone. A worker that is killed runs none.
    """

    seed: int | None
    """A number from 0 to 2**64 - 1 that ``fn`` finds in `get_worker_info`. Default: None.

    With None, one is drawn at random.
    """


class IdentityOptions(TypedDict, total=False):
    """Which one of several workers it is."""

    worker_index: int
    """Which one of several workers this is, for `get_worker_info`. Default: 0."""

    worker_count: int
    """How many workers there are, for `get_worker_info`. Default: 1."""


class AheadOptions(TypedDict, total=False):
    """How far ahead."""

    buffer_size: int | None
    """How many finished items may wait for the parent. Default: None.

    The worker makes one more while these wait. With None, at least 3 items may wait, and more while
    they take less than ``buffer_bytes``. With -1 there is no limit: all that the parent does not
    take stays in memory.
    """

    buffer_bytes: int
    """How many bytes may wait when ``buffer_size`` is None. Default: 4194304, which is 4 MiB.

    They are the bytes of finished items that your loop has not taken, for each worker: as they are
    pickled, and in shared memory. One item may exceed the limit, and three may always wait.

    For `map_in_workers` the default is 8388608, which is 8 MiB, as each message costs more there.
    If ``arena_bytes`` is less than four times the default, a quarter of that counts in its place,
    but at least 1 MiB: else what waits would fill the shared memory.
    For ``backend="ray"`` it is 16 MiB, and 64 MiB with ``"read_only": True``.
    """

    arena_bytes: int
    """Size in bytes of the shared memory for large contents. Default: 1073741824, which is 1 GiB.

    The memory is anonymous, and is taken only as it is used. Contents that find no room in it go
    through the pipe. 0 sends everything through the pipe.
    """


class PlaceOptions(TypedDict, total=False):
    """Where it runs."""

    name: str | None
    """The worker's name in messages, in `get_worker_info`, and as a process or thread.

    Default: None, which numbers the workers.
    """

    wait: bool
    """Whether to wait until the worker is ready. Default: True.

    False returns at once. An error of the start is then raised at the first use, or by
    `RemoteIterable.wait_ready`. ``async with`` waits without blocking the event loop.
    """


class SettingsOptions(TypedDict, total=False):
    """Where it runs: the settings of the kind of worker."""

    backend_options: Mapping[str, Any] | None
    """Further settings of the backend. Default: None.

    ``"ray"`` takes ``num_cpus`` (default: 1), ``num_gpus``, ``memory``, ``resources``,
    ``accelerator_type``, ``label_selector``, ``scheduling_strategy`` and ``runtime_env``, as Ray
    has them for actors. Where Ray is not connected, it takes ``address`` and ``namespace``, as
    ``ray.init`` has them. With ``"read_only": True``, contents of 4 MiB and more are not copied,
    and can only be read, like what ``ray.get`` returns. The other backends take nothing.
    """


class BackendOptions(SettingsOptions, total=False):
    """Where it runs: the kind of worker."""

    # With `str`, for names that were registered; the others are there for completion.
    backend: Literal["auto", "subprocess", "subinterpreter", "inline", "ray"] | str  # noqa: PYI051
    """The kind of worker. Default: ``"auto"``.

    ``"auto"`` is a subinterpreter from Python 3.14 on, and a subprocess on older Pythons and on
    free-threaded ones; where PyTorch is installed, which cannot train in a process that has had a
    subinterpreter; and with ``env``, ``mp_context``, ``max_restarts``, ``retries`` or
    ``task_timeout``: a subinterpreter cannot be killed, and its crash ends the program.
    ``"inline"`` runs ``fn`` in the calling thread, for debugging. ``"ray"`` runs it on a Ray
    cluster. `register_backend` adds names. `RemoteIterable.backend` and
    `RemoteIterable.backend_reason` say what was taken, and why.
    """


class FallbackOptions(TypedDict, total=False):
    """Where it runs: instead of a subinterpreter."""

    fallback: Literal["subprocess"] | None
    """What to use where a subinterpreter cannot be used. Default: ``"subprocess"``.

    Old Pythons have no subinterpreters, and some extension modules refuse to load in one. If that
    shows before the first item was taken, a subprocess takes over. With None, a
    `BackendUnavailableError` is raised instead.
    """


class ProcessOptions(TypedDict, total=False):
    """Where it runs: a process."""

    # Not as `StartMethod`: editors would show that name, and not what it stands for.
    mp_context: Literal["forkserver", "spawn", "fork"] | BaseContext | None
    """The start method, as a name or as a context of multiprocessing. Default: None.

    None is ``"forkserver"`` where it exists, else ``"spawn"``. With any other value,
    ``backend="auto"`` takes a subprocess. A subinterpreter that was asked for does not use it.
    """

    daemon: bool
    """Whether the process is a daemonic one, as multiprocessing has them. Default: False.

    A subinterpreter does not use it. It makes no difference to what ``backend="auto"`` takes.
    """


class EnvironmentOptions(TypedDict, total=False):
    """Where it runs: the environment of a process."""

    env: Mapping[str, str] | None
    """Environment variables for the worker, beside those of this process. Default: None.

    They are set before any of your modules is imported, and so the process is spawned unless
    ``mp_context`` says otherwise. They come too late for what Python itself reads as it starts.
    If this is given, even as ``{}``, ``backend="auto"`` takes a subprocess.
    """


class EnvironmentsOptions(TypedDict, total=False):
    """Where they run: the environments of several processes."""

    env: Mapping[str, str] | Callable[[int], Mapping[str, str] | None] | None
    """Environment variables for the workers, beside those of this process. Default: None.

    The same for all, or a function that is given the number of a worker, from 0, and returns its
    own. See `EnvironmentOptions`.
    """


class FailureOptions(TypedDict, total=False):
    """When it fails."""

    timeout: float | None
    """Seconds to wait for an item, or for the result of a `call`. Default: None, no limit.

    After that the worker is ended and `WorkerTimeoutError` is raised. It is also the limit for the
    initialization, unless ``init_timeout`` is given.
    """

    init_timeout: float | None
    """Seconds from the start of the worker until ``fn`` has returned. Default: None.

    None is the value of ``timeout``.
    """

    shutdown_timeout: float
    """Seconds that ``close()`` may take. Default: 4.0."""

    forward_logs: bool
    """Whether the worker's log records and warnings go to the parent. Default: True.

    They reach the parent's loggers and warning filters. With False the worker prints warnings, and
    records from ``WARNING`` up, to the standard error stream.
    """


class RestartOptions(TypedDict, total=False):
    """When it fails: go on."""

    max_restarts: int
    """How many times, in a pass, a worker that has died or run out of time is started again.

    Default: 0. The new worker calls ``fn`` again and goes on after the last item that has arrived.
    The items of a pass must thus be the same each time, and must not depend on earlier passes. Each
    restart gives a `WorkerRestartedWarning`. The first restart is at once. If the new worker ends
    too before it has sent an item, the next one waits 0.1 seconds, and then twice as long each
    time, 10 seconds at most. ``backend="auto"`` takes a subprocess if it is not 0.
    """

    verify_replay: bool
    """Whether items that are made once more are compared with what they were. Default: True.

    Items are made once more after a restart, and after `RemoteIterable.load_state_dict`. Digests of
    a sample of them are compared. A difference raises `ReplayDivergedError`.
    """


class _CommonOptions(ReadOptions, AheadOptions, PlaceOptions, FailureOptions, total=False):
    """The options of all entry points."""


class _SingleOptions(_CommonOptions, IdentityOptions, RestartOptions, total=False):
    """The options of entry points with one worker."""


class SubprocessOptions(_SingleOptions, ProcessOptions, EnvironmentOptions, total=False):
    """The options of `iterate_in_subprocess`."""


class SubinterpreterOptions(_SingleOptions, FallbackOptions, total=False):
    """The options of `iterate_in_subinterpreter`."""


class WorkerOptions(SubprocessOptions, BackendOptions, FallbackOptions, total=False):
    """The options of `iterate_in_worker`."""


class _SharedOutOptions(_CommonOptions, ProcessOptions, EnvironmentsOptions, total=False):
    """The options of entry points with several workers."""


class LoaderOptions(_SharedOutOptions, SettingsOptions, RestartOptions, total=False):
    """The options of `farside.torch.data_loader`, beside its own arguments."""


class SeveralOptions(_SharedOutOptions, BackendOptions, FallbackOptions, total=False):
    """The options of `iterate_in_workers` and `map_in_workers`, beside their own."""
