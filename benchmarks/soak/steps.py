"""Does what a plan says, and checks every item."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import farside
from farside.options import START_METHODS

from . import meters
from .items import Expected, Items, fail
from .plans import FROM_OUTSIDE, PROCESS_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plans import Plan

_EXPECTED = {
    "initializer": farside.WorkerInitializationError,
    "fn": farside.WorkerInitializationError,
    "iter": farside.WorkerIterationError,
    "next": farside.WorkerIterationError,
    "pickle": farside.NotPicklableError,
    "timeout": farside.WorkerTimeoutError,
    "close from a thread": farside.IterableClosedError,
    "terminate": (farside.IterableClosedError, farside.WorkerDiedError),
}
_LOSES_ITEMS = {*PROCESS_ONLY, *FROM_OUTSIDE}
_OUTSIDE = {"kill from outside", "terminate", *FROM_OUTSIDE}


@dataclass
class Tally:
    """What was done."""

    items: int = 0
    nbytes: int = 0
    passes: int = 0
    workers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add what another tally has counted."""
        self.items += other.items
        self.nbytes += other.nbytes
        self.passes += other.passes
        self.workers += other.workers
        self.faults += other.faults

    def report(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "items": self.items,
            "bytes": self.nbytes,
            "passes": self.passes,
            "workers": dict(self.workers),
            "faults survived": dict(self.faults),
        }


class Faulty(Exception):  # noqa: N818  it is what a plan wanted
    """The worker has failed as its plan wants."""


class Passing:
    """Checks the items of a pass.

    If the parent leaves a pass before the worker has begun it, the worker may never begin it. So
    a pass may have a lower number there than here, though never that of an earlier pass.
    """

    def __init__(self, plan: Plan, latest: int) -> None:
        self._plan = plan
        self._latest = latest
        self._expected: Expected | None = None

    def check(self, index: int, item: Any) -> None:
        """Raise an AssertionError unless `item` is the one of an index."""
        if self._expected is None:
            assert 0 < item[0] <= self._latest, f"an item of pass {item[0]} came"
            self._expected = Expected(self._plan.seed, item[0], self._plan.kinds)
        self._expected.check(index, item)


class Life:
    """One worker's life.

    Args:
        plan: what happens in it.
        tally: where that is counted.
    """

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._passes = 0
        self._left = False  # whether a pass was left, which may have failed since
        self._kept: list[tuple[Passing, list[Any]]] = []

    def live(self) -> None:
        """Live it, and check.

        Raises:
            AssertionError, Exception: a check failed.
        """
        plan = self._plan
        try:
            remote = self._start()
        except (farside.WorkerInitializationError, farside.WorkerTimeoutError) as error:
            # On a busy machine, starting alone may take too long for a plan with a time-out.
            self._meet(error, {"initializer", "fn", "timeout"})
            return
        assert plan.fault not in {"initializer", "fn"}, "it did not fail"
        try:
            for what in plan.passes:
                self._pass(remote, what)
        except Faulty:
            try:
                iter(remote)
            except farside.IterableClosedError:
                pass
            else:
                raise AssertionError("an iterable that has failed can be iterated") from None
        if plan.fault == "drop":
            self._tally.faults[plan.fault] += 1
            del remote
        else:
            remote.close()
        for expected, kept in self._kept:
            for index, item in enumerate(kept):
                expected.check(index, item)

    def _start(self) -> Any:
        plan = self._plan
        self._tally.workers[plan.backend] += 1
        given: dict[str, Any] = dict(plan.options, backend=plan.backend, fallback=None)
        if plan.fault == "timeout":
            given["shutdown_timeout"] = 0.5  # the worker would sleep on
        if plan.backend in START_METHODS:
            given.update(backend="subprocess", mp_context=plan.backend)
        if plan.fault == "initializer":
            given["initializer"] = fail
        fault = "" if plan.fault in _OUTSIDE else plan.fault
        fn = partial(Items, plan.seed, plan.count, plan.kinds, (fault, plan.at))
        return farside.iterate_in_worker(fn, **given)

    def _meet(self, error: BaseException, wanted: set[str]) -> None:
        """Check that an error is the one that the plan has."""
        fault = self._plan.fault
        if fault not in wanted:
            raise error
        kind: Any = _EXPECTED.get(fault, farside.WorkerDiedError)
        if self._left and type(error) is farside.IterableClosedError and error.__cause__:
            error = error.__cause__  # the parent learned of the failure in a pass that it left
        if not isinstance(error, kind):
            raise error
        if fault in {"initializer", "fn", "iter", "next"} and not isinstance(error, LookupError):
            raise error
        self._tally.faults[fault] += 1

    # Passes ---------------------------------------------------------------------------------

    def _pass(self, remote: Any, what: str) -> None:
        if what == "call":
            self._call(remote)
            return
        self._tally.passes += 1
        kept: list[Any] = []
        expected = self._expect()
        try:
            source = in_event_loop(remote) if what == "async" else iter(remote)
            self._take(remote, what, source, expected, kept)
        except farside.FarsideError as error:
            self._check_length(len(kept), failed=True)
            self._meet(error, set(_EXPECTED) | _LOSES_ITEMS)
            raise Faulty from None
        if what == "keep":
            self._kept.append((expected, kept))

    def _expect(self) -> Passing:
        self._passes += 1
        return Passing(self._plan, self._passes)

    def _take(
        self, remote: Any, what: str, source: Iterator[Any], expected: Passing, kept: list[Any]
    ) -> None:
        """Take the items of a pass. For each of them, append the item or None to `kept`."""
        plan = self._plan
        outside = self._outside(remote, what)
        if what == "unused":
            self._left = True
            return
        for item in source:
            expected.check(len(kept), item)
            self._count(item)
            kept.append(item if what == "keep" else None)
            if len(kept) != plan.at:
                continue
            if what == "leave":
                self._left = True
                return
            if what == "supersede":
                self._left = True
                kept.clear()
                self._supersede(remote, source)
                return
            if outside is not None:
                outside()
                if plan.fault == "drop":
                    return
        self._check_length(len(kept), failed=False)

    def _check_length(self, got: int, *, failed: bool) -> None:
        plan = self._plan
        if not failed:
            # A fault at the very end does not show, and one from outside may come too late.
            harmless = not plan.fault or plan.fault in _OUTSIDE or plan.at >= plan.count
            assert harmless, f"{plan.fault} has not shown"
            assert got == plan.count, f"{got} items came instead of {plan.count}"
        elif plan.fault in _LOSES_ITEMS:
            most = plan.count if plan.fault in _OUTSIDE else plan.at
            assert got <= most, "an item came that was not made"
        elif plan.fault != "iter" and not (self._left and not got):
            assert got == plan.at, f"{got} items came before the failure, instead of {plan.at}"

    def _count(self, item: Any) -> None:
        self._tally.items += 1
        if isinstance(item[3], (bytes, bytearray, memoryview)):
            self._tally.nbytes += len(item[3])

    def _call(self, remote: Any) -> None:
        if not self._plan.fault:
            assert remote.call("add", 2, 3) == 5  # noqa: PLR2004

    def _supersede(self, remote: Any, older: Iterator[Any]) -> None:
        newer = iter(remote)
        expected = self._expect()
        try:
            next(older)
        except farside.PassSupersededError:
            pass
        else:
            raise AssertionError("a superseded iterator went on")
        for index, item in enumerate(newer):
            expected.check(index, item)
            self._count(item)
            if index == self._plan.at:
                break

    # What comes from outside ----------------------------------------------------------------

    def _outside(self, remote: Any, what: str) -> Any:
        fault = self._plan.fault
        if fault not in _OUTSIDE or what == "supersede":
            return None
        if fault == "kill from outside":
            pid = re.search(r"pid (\d+)", repr(remote))
            assert pid is not None
            return lambda: os.kill(int(pid[1]), signal.SIGKILL)
        if fault == "drop":
            return lambda: None
        end = remote.close if fault == "close from a thread" else remote.terminate
        return threading.Thread(target=end).start


def in_event_loop(remote: Any) -> Iterator[Any]:
    """Iterate in an event loop, as if it were an ordinary iterator."""
    loop = asyncio.new_event_loop()
    try:
        source = aiter(remote)
        while True:
            try:
                yield loop.run_until_complete(_next(source))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _next(source: Any) -> Any:
    return await anext(source)


def await_no_interpreters() -> None:
    """Wait until no subinterpreter lives, with which a fork would kill its child."""
    deadline = time.monotonic() + 20
    while meters.held().interpreters > 1:
        assert time.monotonic() < deadline, "an interpreter was left behind"
        time.sleep(0.005)
