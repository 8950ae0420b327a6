"""What a worker is given: the user's callables, and the state of the parent that they expect.

It is the first frame that goes down the link. The ``fork`` start method hands it over as it is, and
so does every start where the callables hold objects that only a start carries. The callables inside
are pickled a second time, since that state must be there before they can be loaded.
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
    """The pickle of a call, for workers that can import the main module (True), and for others; by
    its name, what a backend has made of it."""

Call: TypeAlias = "tuple[Callable[[], Iterable[Any]], Several, Several]"
"""fn, initializers, finalizers."""

JOB = 0  # kind of the frame that carries the job: neither a command nor a status


class Preparation(NamedTuple):
    """What a new interpreter lacks of the parent's state."""

    argv: list[str]
    warning_filters: list[PlainFilter]
    recursion_limit: int
    int_max_str_digits: int | None
    environment: dict[str, str] | None
    main_name: str | None
    main_path: str | None
    multiprocessing: tuple[bytes, int | None] | None = None


class Job(NamedTuple):
    """What a worker has to do."""

    call: bytes | Call | SharedCall | list[bytes | memoryview | PickleBuffer]
    """In a list, it is a pickle that comes through the link. Who loads it takes it out: it may be
    large, and the job stays."""
    preparation: Preparation | None
    buffer_size: int | None
    buffer_bytes: int
    info: Fields
    environment: dict[str, str] | None = None
    finalizer_seconds: float = 0.0
    forward_logs: bool = False
    log_levels: Levels | None = None
    spins: bool = False
    """Whether the worker looks for a moment before it sleeps: see `_link.spinning`."""
