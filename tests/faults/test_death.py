"""Workers that die without a word: what the matrix has no row for."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import IterableClosedError, WorkerDiedError
from farside.testing.checks import take
from tests import jobs
from tests.faults import dying
from tests.faults.staging import await_end, pid_of
from tests.scripts.acts import Acts, Sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from farside import RemoteIterable
    from tests.kinds import Kind

AT_ONCE_S = 3.0
"""Three times what is promised: the machine may be busy."""


@contextmanager
def at_once() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < AT_ONCE_S


def check(error: BaseException | None, code: int, last_index: int | None, state: str) -> None:
    assert isinstance(error, WorkerDiedError)
    name = None if code >= 0 else signal.Signals(-code).name
    assert (error.exit_code, error.signal_name) == (code, name)
    assert (error.last_index, error.state) == (last_index, state)
    how = f"it ended with exit code {code}" if name is None else f"it was killed by {name}"
    when = "before any item" if last_index is None else f"after the item of index {last_index}"
    assert how in str(error)
    assert when in str(error)


def check_closed(iterable: RemoteIterable[Any], error: BaseException | None) -> None:
    assert iterable.state == "closed"
    with pytest.raises(IterableClosedError) as caught:
        iter(iterable)
    assert caught.value.__cause__ is error


def giving(sign: Sign, items: Iterable[int]) -> Iterator[int]:
    """Yield the items, and give the sign at the last that comes, 2."""
    for item in items:
        if item == 2:
            sign.give()
        yield item


def test_killed_in_the_middle_of_an_item(subprocess_kind: Kind, tmp_path: Path) -> None:
    sign = Sign(str(tmp_path / "sign"))
    fn: Any = Acts("send", sign)
    with subprocess_kind.start(fn) as items:
        iterator = iter(items)
        pid = next(iterator)
        sign.wait()
        os.kill(pid, signal.SIGKILL)
        await_end(pid)
        with at_once():
            got, error = take(iterator)
        assert got == []
        check(error, -signal.SIGKILL, 0, "iteration")
        check_closed(items, error)


def test_killed_in_a_pass_that_was_left(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(jobs.Tellers) as tellers:
        pid, _ = next(iter(tellers))
        os.kill(pid, signal.SIGKILL)
        await_end(pid)
        with at_once():
            got, error = take(tellers)
        assert got == []
        check(error, -signal.SIGKILL, None, "iteration")
        check_closed(tellers, error)


@pytest.mark.parametrize("code", [-signal.SIGKILL, 3])
def test_a_grandchild_that_holds_all_descriptors_hides_nothing(
    subprocess_kind: Kind, code: int, tmp_path: Path
) -> None:
    sign = Sign(str(tmp_path / "sign"))
    fn = partial(dying.LeavesGrandchild, partial(dying.die_at, sign, code))
    with subprocess_kind.start(fn) as items:
        with at_once():
            got, error = take(giving(sign, items))
        grandchild, *rest = got
        try:
            assert rest == [1, 2]
            check(error, code, 2, "iteration")
            os.kill(grandchild, 0)
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_a_grandchild_does_not_hold_up_the_death_in_stand_by(
    subprocess_kind: Kind, tmp_path: Path
) -> None:
    sign = Sign(str(tmp_path / "sign"))
    die_later = partial(dying.die_later, 3, sign)
    fn = partial(dying.LeavesGrandchild, int)
    with subprocess_kind.start(fn, initializer=die_later) as items:
        grandchild, *_ = items
        try:
            sign.give()
            await_end(pid_of(items))
            with at_once():
                _, error = take(items)
            check(error, 3, None, "iteration")
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_a_grandchild_does_not_hold_up_close(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(dying.LeavesGrandchild, int)) as items:
        grandchild, *_ = items
        try:
            with at_once():
                items.close()
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_closed_standard_streams_do_no_harm(subprocess_kind: Kind) -> None:
    fn: Any = dying.ClosesStandardStreams
    with subprocess_kind.start(fn) as items:
        before, closed, (first, second), after = items
        assert (before, closed, after) == ("before", "closed", "after")
        assert {first, second} <= {0, 1, 2}
        assert next(iter(items)) == "before"


def test_close_ends_a_worker_that_answers_nothing(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(
        dying.SwallowsEverything, initializer=dying.ignore_sigterm, shutdown_timeout=0.4
    ) as items:
        pid = next(iter(items))
        with at_once():
            items.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_close_ends_a_stopped_worker(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(jobs.Tellers, shutdown_timeout=0.4) as tellers:
        [(pid, _)] = tellers
        os.kill(pid, signal.SIGSTOP)
        with at_once():
            tellers.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_call_after_a_pass_that_was_left_tells_of_the_death(subprocess_kind: Kind) -> None:
    with subprocess_kind.start(partial(jobs.EndlessShelf, 0)) as shelf:
        numbers: Any = iter(shelf)
        assert next(numbers) == 0
        pid = pid_of(shelf)
        os.kill(pid, signal.SIGKILL)
        await_end(pid)
        numbers.close()
        with pytest.raises(WorkerDiedError) as caught:
            shelf.call("echo", 1)
        assert (caught.value.exit_code, caught.value.state) == (-signal.SIGKILL, "stopping")
        check_closed(shelf, caught.value)
