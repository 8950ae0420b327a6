"""How the suites for backends start a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._parent.iterable import RemoteIterable

T = TypeVar("T")


class StartsWorkers:
    """What all parts of `BackendContract` need."""

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        """Start a worker of the kind that is tested, and of no other.

        Args:
            fn: as for `iterate_in_worker`.
            options: as for `iterate_in_worker`, without ``backend``.
        """
        raise NotImplementedError("say how a worker is started: iterate_in_worker(fn, backend=…)")
