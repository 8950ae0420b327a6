"""Workers on Ray keep the contract of all workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from farside import iterate_in_worker
from farside.testing import ConcurrentBackendContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from farside import RemoteIterable

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

T = TypeVar("T")


class TestRay(ConcurrentBackendContract):
    many = 100

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        if (
            "timeout" in options and "initializer" not in options
        ):  # a process of Ray's takes a second to start, or a few
            options.setdefault("init_timeout", 60)
        # Processes take their time to end: more CPUs than a machine has would start more of them.
        return iterate_in_worker(
            fn, backend="ray", backend_options={"num_cpus": 0.1}, fallback=None, **options
        )
