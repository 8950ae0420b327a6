"""Every kind of worker keeps the contract that farside.testing publishes."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from farside import iterate_in_worker, register_backend
from farside._backends import registry
from farside.testing import BackendContract, ConcurrentBackendContract
from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from farside import RemoteIterable
    from tests.kinds import Kind

T = TypeVar("T")


class TestEveryKind(ConcurrentBackendContract):
    @pytest.fixture(autouse=True)
    def _choose(self, kind: Kind) -> None:
        self.kind = kind

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        return self.kind.start(fn, **options)

    def test_isolated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if self.kind.name != "fork":  # a forked process starts as a copy
            monkeypatch.setattr(jobs, "WHO", f"main of {os.getpid()}")
        with self.start(jobs.Tellers) as tellers:
            [(pid, interpreter)] = tellers
        assert (pid != os.getpid()) is self.kind.is_process
        assert interpreter != f"main of {os.getpid()}"

    def test_backend_and_label(self) -> None:
        with self.start(list[int]) as nothing:
            assert nothing.backend == self.kind.backend
            what = "pid" if self.kind.is_process else "interpreter"
            assert f"backend={self.kind.backend!r} worker='{what} " in repr(nothing)


class TestInline(BackendContract):
    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        return iterate_in_worker(fn, backend="inline", fallback=None, **options)


class TestThirdParty(ConcurrentBackendContract):
    """A backend that knows of farside what farside.backends offers."""

    def test_a_worker_has_state_of_its_own(self) -> None:
        jobs.note("a thread has none")
        with self.start(partial(jobs.notes, "a thread")) as notes:
            assert list(notes) == ["a thread has none"]
        jobs.NOTES.clear()

    @pytest.fixture(autouse=True)
    def _register(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "_BACKENDS", {**registry._BACKENDS})
        register_backend("thread", "tests.backends.in_threads:ThreadBackend")

    def start(self, fn: Callable[[], Iterable[T]], **options: Any) -> RemoteIterable[T]:
        return iterate_in_worker(fn, backend="thread", fallback=None, **options)
