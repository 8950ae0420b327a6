"""The job of a worker: the user's callables, and the state of the parent that they expect.

The job is the first frame that goes down the link. But a process gets it as it starts if it is
forked, or if the callables hold objects that only the start of a process can carry (see `shared`).
The callables inside the job are pickled by themselves, since the parent's state must be in place
before they can be loaded.
"""

from __future__ import annotations

from .._named_tuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pickle import PickleBuffer
    from typing import Any, TypeAlias

    from .shared import SharedCall
    from .verbosity import Levels, PlainFilter
    from .worker_info import Fields

    Several: TypeAlias = tuple[Callable[[], object], ...]
    Pickles: TypeAlias = dict[bool | str, Any]
    """Pickles of a call. The key True is for workers that can import the main module, False for
    others. A backend keeps what it has made of the pickle under the backend's name."""

Call: TypeAlias = "tuple[Callable[[], Iterable[Any]], Several, Several]"
"""fn, initializers, finalizers."""

JOB = 0  # kind of the frame that carries the job: neither a command nor a status


class Preparation(NamedTuple):
    """The part of the parent's state that a new interpreter lacks."""

    argv: list[str]
    warning_filters: list[PlainFilter]
    recursion_limit: int
    int_max_str_digits: int | None
    environment: dict[str, str] | None
    main_name: str | None
    main_path: str | None
    multiprocessing: tuple[bytes, int | None] | None = None


class Job(NamedTuple):
    """All that a worker is told at its start."""

    call: bytes | Call | SharedCall | list[bytes | memoryview | PickleBuffer]
    """A list has one pickle, which came through the link. Loading removes it from the list, since
    it may be large, and the job is kept."""
    preparation: Preparation | None
    buffer_size: int | None
    buffer_bytes: int
    info: Fields
    environment: dict[str, str] | None = None
    finalizer_seconds: float = 0.0
    forward_logs: bool = False
    log_levels: Levels | None = None
    spins: bool = False
    """Whether the worker spins for a moment before it sleeps: see `_link.spinning`."""
