"""`RemoteIterable.in_thread` gives what ``iter()`` gives, and tells where the loop is."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import weakref
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside import (
    IterableClosedError,
    PassOpenError,
    PassSupersededError,
    WorkerDiedError,
    WorkerIterationError,
    map_in_workers,
)
from farside._parent import in_thread
from farside.testing.checks import Background, take, until
from tests import jobs as plain_jobs
from tests import mapping_jobs
from tests import shard_jobs as jobs
from tests.faults.test_fork import in_forked_child
from tests.kinds import INLINE, KINDS, SUBPROCESSES, Kind
from tests.scripts.running import run_script
from tests.simulated import simulate

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from farside import RemoteIterable

LENGTHS = [3, 0, 5, 2]
EXPECTED = list(simulate(LENGTHS, 4))
AHEADS = [1, 2, 7, 500]


@pytest.fixture(params=[*KINDS, INLINE], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker, and the calling thread."""
    chosen: Kind = request.param
    return chosen


def pairs(kind: Kind, workers: int = 2, **options: Any) -> RemoteIterable[Any]:
    return kind.start_several(jobs.pairs, jobs.numbered(LENGTHS), workers, **options)


def mapped(kind: Kind, function: Any, items: Any, **options: Any) -> RemoteIterable[Any]:
    given = {"fallback": None, **kind.options, **options}
    return map_in_workers(function, items, 2, backend=kind.backend, **given)


def is_full(items: RemoteIterable[Any], ahead: int) -> bool:
    delivery = items._current.delivery
    assert delivery is not None
    return delivery.delivered - delivery.had == ahead


def test_the_items_are_those_of_a_plain_loop(kind: Kind) -> None:
    with pairs(kind) as items:
        for ahead in AHEADS:
            assert list(items.in_thread(ahead=ahead)) == EXPECTED
        assert list(items) == EXPECTED
        assert items.stats().items == 5 * len(EXPECTED)


@pytest.mark.parametrize("ahead", AHEADS)
def test_a_state_tells_where_the_loop_is_and_not_the_thread(kind: Kind, ahead: int) -> None:
    with pairs(kind) as items, pairs(kind, 1) as others:
        for number, _ in enumerate(items.in_thread(ahead=ahead), 1):
            most = min(ahead, len(EXPECTED) - number)
            until(partial(is_full, items, most))
            for behind in {0, 1, number}:
                others.load_state_dict(json.loads(json.dumps(items.state_dict(behind=behind))))
                assert list(others) == EXPECTED[number - behind :]
            assert items.stats().buffered_items >= most
        assert items.epoch == 1
        assert items.state_dict()["begun"] == []


def test_the_thread_takes_no_more_than_it_may(kind: Kind) -> None:
    with kind.start(plain_jobs.Endless) as numbers:
        iterator = numbers.in_thread(ahead=3)
        assert [next(iterator) for _ in range(5)] == [0, 1, 2, 3, 4]
        until(partial(is_full, numbers, 3))
        delivery = numbers._current.delivery
        assert delivery is not None
        assert (delivery.had, delivery.delivered) == (5, 8)
        assert numbers.stats().items == 5
        iterator.close()
        assert numbers.state_dict()["begun"] == [[0, 5]]


def test_a_pass_is_open_until_the_loop_is_at_its_end(kind: Kind) -> None:
    with kind.start(partial(plain_jobs.Shelf, 3)) as shelf:
        iterator = shelf.in_thread()
        assert next(iterator) == 0
        until(partial(is_full, shelf, 2))
        for change in (partial(shelf.call, "echo", 1), partial(shelf.set_epoch, 5)):
            with pytest.raises(PassOpenError):
                change()
        assert list(iterator) == [1, 2]
        assert shelf.call("echo", 1) == 1
        assert list(shelf.in_thread()) == [0, 1, 2]


def test_a_loop_that_is_left_can_be_followed_by_another(kind: Kind) -> None:
    with kind.start(plain_jobs.Endless) as numbers:
        for _ in range(20):
            for number in numbers.in_thread():
                if number == 3:
                    break
            assert next(numbers.in_thread(ahead=7)) == 0


def test_a_newer_pass_supersedes_it(kind: Kind) -> None:
    with pairs(kind) as items:
        iterator = items.in_thread()
        assert next(iterator) == EXPECTED[0]
        until(partial(is_full, items, 2))
        newer = items.in_thread()
        with pytest.raises(PassSupersededError):
            next(iterator)
        assert list(newer) == EXPECTED
        iterator = items.in_thread(ahead=500)
        assert next(iterator) == EXPECTED[0]
        until(partial(is_full, items, len(EXPECTED) - 1))  # the thread has reached the end
        assert list(items) == EXPECTED
        with pytest.raises(PassSupersededError):
            next(iterator)


@pytest.mark.parametrize("ahead", [2, 500])
def test_nothing_comes_after_close(kind: Kind, ahead: int) -> None:
    with pairs(kind) as items:
        iterator = items.in_thread(ahead=ahead)
        assert next(iterator) == EXPECTED[0]
        until(partial(is_full, items, min(ahead, len(EXPECTED) - 1)))
    with pytest.raises(IterableClosedError):
        next(iterator)
    assert items.state_dict()["begun"] == [[0, 1]]


def test_close_in_another_thread_ends_the_loop(kind: Kind) -> None:
    with kind.start(plain_jobs.Endless) as numbers:
        waiting = Background(sum, numbers.in_thread())
        until(lambda: numbers.stats().items > 0)
        numbers.close()
        with pytest.raises(IterableClosedError):
            waiting.result()


def test_items_before_a_failure_come_first(kind: Kind) -> None:
    with kind.start(partial(plain_jobs.FailsAt, 5, plain_jobs.boom)) as numbers:
        got, error = take(numbers.in_thread(ahead=500))
        assert got == [0, 1, 2, 3, 4]
        assert isinstance(error, WorkerIterationError)
        assert numbers.state_dict()["begun"] == [[0, 5]]
        assert take(numbers)[1] is not error


def test_items_are_prepared_in_the_thread(kind: Kind) -> None:
    with pairs(kind) as items:
        names = {name for _, name in items.in_thread(_with_thread)}
        assert names == {"farside-read-ahead"}
        assert [item for item, _ in items.in_thread(_with_thread, ahead=7)] == EXPECTED


def _with_thread(item: Any) -> tuple[Any, str]:
    return item, threading.current_thread().name


VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="none")


def test_the_thread_has_the_context_variables_of_the_loop() -> None:
    token = VARIABLE.set("mine")
    with INLINE.start(partial(plain_jobs.Numbers, 2)) as numbers:
        assert list(numbers.in_thread(lambda _: VARIABLE.get())) == ["mine", "mine"]
    VARIABLE.reset(token)


@pytest.mark.parametrize("error", [OSError("no memory left on the device"), StopIteration()])
def test_what_prepare_raises_comes_in_the_place_of_the_item(error: Exception) -> None:
    def prepare(number: int) -> int:
        if number == 3:
            raise error
        return number

    with INLINE.start(partial(plain_jobs.Numbers, 6)) as numbers:
        got, raised = take(numbers.in_thread(prepare, ahead=500))
        assert got == [0, 1, 2]
        # A generator that raises StopIteration would seem to be at its end.
        assert raised is error or isinstance(raised, RuntimeError)
        assert numbers.state_dict()["begun"] == [[0, 3]]
        assert list(numbers.in_thread()) == [0, 1, 2, 3, 4, 5]
    with pairs(INLINE) as items, pytest.raises(TypeError, match="prepare=3 is not callable"):
        items.in_thread(3)  # type: ignore[call-overload]


def test_a_worker_that_dies(subprocess_kind: Kind) -> None:
    with subprocess_kind.start_several(jobs.first_dies, 3, 2) as items:
        assert isinstance(take(items.in_thread())[1], WorkerDiedError)


@pytest.mark.filterwarnings("ignore::farside.WorkerRestartedWarning")
def test_a_worker_that_dies_is_started_again(subprocess_kind: Kind, tmp_path: Path) -> None:
    function = partial(mapping_jobs.die_once, str(tmp_path / "died"))
    with mapped(subprocess_kind, function, range(20), retries=1) as results:
        assert list(results.in_thread()) == list(range(20))


def test_no_item_is_kept_that_the_loop_has_dropped() -> None:
    def make() -> Iterator[Any]:
        for _ in range(6):
            yield np.zeros(10)

    with INLINE.start(make) as arrays:
        iterator = arrays.in_thread(ahead=1)
        for _ in range(3):
            item = next(iterator)
            until(partial(is_full, arrays, 1))
            kept = weakref.ref(item)
            del item
            assert kept() is None


def test_the_iterator_keeps_the_iterable_and_dropping_it_ends_all(kind: Kind) -> None:
    iterator: Generator[int, None, None] = kind.start(plain_jobs.Endless).in_thread()
    assert next(iterator) == 0
    gc.collect()
    assert next(iterator) == 1
    del iterator  # the guard of all tests sees what is left


def test_inputs_of_a_map_are_taken_in_the_thread(kind: Kind) -> None:
    names = set[str]()

    def inputs() -> Iterator[int]:
        for number in range(10):
            names.add(threading.current_thread().name)
            yield number

    with mapped(kind, mapping_jobs.square, inputs()) as results:
        assert list(results.in_thread()) == [number * number for number in range(10)]
    assert names == {"farside-read-ahead"}


def test_inputs_that_raise(kind: Kind) -> None:
    def inputs() -> Iterator[int]:
        yield from range(5)
        raise OSError("the disk")

    with mapped(kind, mapping_jobs.square, inputs()) as results:
        got, error = take(results.in_thread())
        assert got == [0, 1, 4, 9, 16]
        assert isinstance(error, OSError)
        assert error.__traceback__ is not None


def test_inputs_that_never_come_do_not_hold_up_the_end(kind: Kind) -> None:
    asked, never = threading.Event(), threading.Event()

    def inputs() -> Iterator[int]:
        yield 1
        asked.set()
        never.wait()

    try:
        with mapped(kind, mapping_jobs.square, inputs()) as results:
            iterator = results.in_thread()
            asked.wait()
            iterator.close()
        assert results.state == "closed"
    finally:
        never.set()


@pytest.mark.parametrize(
    ("wrong", "kind_of_error", "message"),
    [
        (0, ValueError, "ahead=0 is below 1"),
        (501, ValueError, "ahead=501 is above 500"),
        (1.5, TypeError, "ahead=1.5"),
    ],
)
def test_a_wrong_number(wrong: Any, kind_of_error: type[Exception], message: str) -> None:
    with pairs(INLINE) as items:
        with pytest.raises(kind_of_error, match=message):
            items.in_thread(ahead=wrong)
        assert items.stats().passes == 0


def test_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with pairs(INLINE) as items:
        with monkeypatch.context() as patched:
            patched.setattr("farside._parent.in_thread.start_thread", refuse)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                items.in_thread()
        items.set_epoch(3)  # no pass is open
        assert list(items.in_thread()) == EXPECTED


def test_an_iterator_that_python_closes_late_in_its_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pairs(INLINE) as items:
        iterator = items.in_thread()
        assert next(iterator) == EXPECTED[0]
        for name in ("_leave", "OVER", "Pass", "When"):
            monkeypatch.setattr(in_thread, name, None)
        iterator.close()  # else Python prints what a finalizer raises


def test_threads_that_are_coroutines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    patched = SimpleNamespace(is_module_patched={"_thread"}.__contains__)
    with pairs(INLINE) as items:
        with monkeypatch.context() as meanwhile:
            meanwhile.setitem(sys.modules, "gevent.monkey", patched)
            with pytest.raises(RuntimeError, match="gevent has replaced threads"):
                items.in_thread()
        assert list(items.in_thread()) == EXPECTED


def test_a_forked_child_is_told_whose_iterable_it_is() -> None:
    with pairs(SUBPROCESSES[0]) as items:
        iterator = items.in_thread()
        got = [next(iterator)]

        def check() -> None:
            with pytest.raises(IterableClosedError, match=f"belongs to process {os.getppid()}"):
                next(iterator)
            iterator.close()

        in_forked_child(check)
        assert [*got, *iterator] == EXPECTED


def test_the_exit_does_not_wait_for_the_thread(kind: Kind, tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        """
        from itertools import count
        from tests.scripts.starting import start
        if __name__ == "__main__":
            numbers = start(count)
            iterator = numbers.in_thread()
            print(next(iterator), next(iterator))
        """,
        kind=kind,
    )
    assert (done.code, done.out, done.err) == (0, "0 1\n", "")
