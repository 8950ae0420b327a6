"""Tells user code which worker it runs in: `get_worker_info`, and what sets its result."""

from __future__ import annotations

import os

from .._in_c import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeAlias

    Fields: TypeAlias = tuple[str, str, int, int, int, int]
    """The fields of a `WorkerInfo` without those of the task."""
    Task: TypeAlias = tuple[int, int | None, int]
    """The shard, the number of shards if that is known, the seed of the shard."""


class WorkerInfo:
    """What `get_worker_info` returns about the worker that calls it. It cannot be changed.

    Attributes:
        backend: name of the backend, such as ``"subprocess"``.
        name: the worker's name.
        index: which of several workers it is, from 0: the option ``worker_index``.
        count: how many there are: the option ``worker_count``.
        seed: the option ``seed``, or the number that was drawn for it, below 2**64.
        epoch: the number of the present pass, from 0: the number of passes before it, those before
            a resume included, or what `RemoteIterable.set_epoch` was given. 0 before the first.
        shard: in `iterate_in_workers`: the number of the shard that is read just now; in
            `map_in_workers`: the index of the input. Elsewhere, and in initializers, this is None,
            and so are the two below.
        shard_count: how many shards or inputs there are; None if that is not known.
        shard_seed: a number below 2**64 that depends only on ``seed``, ``epoch`` and ``shard``, and
            not on the number of workers or on what was read before. Draw random numbers from
            ``random.Random(info.shard_seed)``, since the generators of modules are shared by all
            shards of a worker.
    """

    # By hand, since dataclasses would cost a worker some milliseconds of start-up.
    backend: str
    name: str
    index: int
    count: int
    seed: int
    epoch: int
    shard: int | None
    shard_count: int | None
    shard_seed: int | None

    __slots__ = (*__annotations__,)

    def __init__(self, *fields: Any) -> None:
        given = (*fields, *(None,) * (len(WorkerInfo.__slots__) - len(fields)))
        for name, value in zip(WorkerInfo.__slots__, given):  # noqa: B905  only farside makes any
            object.__setattr__(self, name, value)

    def at(self, epoch: int, seed: int, *task: int | None) -> WorkerInfo:
        """Return the same worker's info in another pass, with the fields of a task if given."""
        return WorkerInfo(self.backend, self.name, self.index, self.count, seed, epoch, *task)

    def _all(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in WorkerInfo.__slots__])

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{name!r} of a WorkerInfo cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} of a WorkerInfo cannot be changed")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkerInfo) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        told = ", ".join(f"{field}={getattr(self, field)!r}" for field in WorkerInfo.__slots__)
        return f"WorkerInfo({told})"

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkerInfo, self._all()


_here = local()  # the worker that runs in one thread of this interpreter
_whole: WorkerInfo | Callable[[], WorkerInfo] | None = None  # if this whole interpreter is a worker
_pid = 0  # the process in which the whole interpreter is a worker


def get_worker_info() -> WorkerInfo | None:
    """Return information about the worker that calls this; None outside a worker.

    All threads of a worker get the same information. But with the backend ``"inline"``, only the
    thread that runs the iterable gets any. ``shard`` and ``shard_seed`` are those of the shard
    whose turn it is. A thread of your own may work for another shard, so call this in ``fn``, and
    pass the seed to the thread. A process that the worker starts is no worker.

    Example:
        >>> from farside import get_worker_info, iterate_in_subprocess
        >>> get_worker_info() is None
        True
        >>> def tell():
        ...     yield get_worker_info()
        >>> with iterate_in_subprocess(tell, worker_index=1, worker_count=4) as told:
        ...     info = next(iter(told))
        >>> info.index, info.count, info.epoch
        (1, 4, 0)
    """
    info = told()
    return info() if callable(info) else info  # type: ignore[no-any-return]


def told() -> Any:
    """Return what `tell` was given last."""
    if _whole is not None and _pid == os.getpid():
        return _whole
    return getattr(_here, "info", None)


def claim() -> None:
    """Make this whole interpreter a worker, with all its threads."""
    global _pid  # noqa: PLW0603  there is one worker in an interpreter
    _pid = os.getpid()


def tell(info: Any) -> None:
    """Set the worker of this thread, or of all: its info, a function that returns that, or None."""
    global _whole  # noqa: PLW0603  as above
    if _pid == os.getpid():
        _whole = info
    else:
        _here.info = info
