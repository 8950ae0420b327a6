"""What every kind of worker promises about passes and items."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import ExhaustedIteratorWarning, IterableClosedError, PassSupersededError
from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.kinds import Kind


def test_any_number_of_passes(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 100)) as numbers:
        for _ in range(5):
            assert list(numbers) == list(range(100))


def test_empty(kind: Kind) -> None:
    with kind.start(list[int]) as nothing:
        assert list(nothing) == []
        assert list(nothing) == []


def test_isolated(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind.name != "fork":  # a forked process starts as a copy
        monkeypatch.setattr(jobs, "WHO", f"main of {os.getpid()}")
    with kind.start(jobs.Tellers) as tellers:
        [(pid, interpreter)] = tellers
    assert (pid != os.getpid()) is kind.is_process
    assert interpreter != f"main of {os.getpid()}"


def test_leaving_after_one_item_a_thousand_times(kind: Kind) -> None:
    with kind.start(jobs.Endless) as numbers:
        for _ in range(1000):
            for number in numbers:
                assert number == 0
                break
        assert next(iter(numbers)) == 0


@pytest.mark.parametrize("buffer_size", [1, 2, 3, 1000, 10**9, None])
def test_buffer_sizes(kind: Kind, buffer_size: int | None) -> None:
    with kind.start(partial(jobs.Numbers, 5000), buffer_size=buffer_size) as numbers:
        assert list(numbers) == list(range(5000))
        for number in numbers:
            if number == 2500:
                break
        assert list(numbers) == list(range(5000))


def test_blocks_larger_than_any_buffer(kind: Kind) -> None:
    with kind.start(partial(jobs.Blocks, 5, 3_000_000)) as blocks:
        assert [(len(block), block[-1]) for block in blocks] == [(3_000_000, i) for i in range(5)]


def test_leaving_while_the_worker_is_blocked_in_sending(kind: Kind) -> None:
    with kind.start(partial(jobs.Blocks, 50, 3_000_000)) as blocks:
        for _ in range(5):
            assert next(iter(blocks))[0] == 0
        assert sum(len(block) for block in blocks) == 150_000_000


def test_the_older_of_two_iterators_raises_and_the_newer_is_complete(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 10_000)) as numbers:
        older = iter(numbers)
        assert next(older) == 0
        newer = iter(numbers)
        with pytest.raises(PassSupersededError, match="pass 1 was superseded by pass 2"):
            next(older)
        assert list(newer) == list(range(10_000))


def test_an_older_iterator_raises_also_when_all_its_items_have_arrived(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 3)) as numbers:
        older = iter(numbers)
        assert next(older) == 0
        newer = iter(numbers)
        with pytest.raises(PassSupersededError):
            next(older)
        assert list(newer) == [0, 1, 2]


@pytest.mark.parametrize("buffer_size", [1, None])
def test_a_worker_that_waits_for_credit_hears_of_a_newer_pass(
    kind: Kind, buffer_size: int | None
) -> None:
    with kind.start(partial(jobs.Blocks, 9, 300_000), buffer_size=buffer_size, timeout=20) as items:
        for _ in range(3):
            older = iter(items)
            next(older)
            time.sleep(0.05)  # it runs out of credit meanwhile; if not, less is tested
            assert len(list(items)) == 9


def test_closing_does_not_wait_for_a_worker_that_waits_for_credit(kind: Kind) -> None:
    items = kind.start(jobs.Endless, buffer_size=1, shutdown_timeout=30)
    next(iter(items))
    iterator = iter(items)
    next(iterator)
    time.sleep(0.05)  # it runs out of credit meanwhile; if not, less is tested
    begin = time.monotonic()
    items.close()
    assert time.monotonic() - begin < 10  # 15 s later it would have been sent SIGTERM


def test_closing_an_iterator_leaves_the_pass(kind: Kind, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with kind.start(partial(jobs.LeavesTrace, str(trace))) as numbers:
        iterator = iter(numbers)
        assert next(iterator) == 0
        assert isinstance(iterator, Generator)
        iterator.close()
        assert next(iter(numbers)) == 0
        assert trace.read_text().startswith("left\n")


def test_an_iterator_dropped_before_its_first_item_leaves_the_pass(kind: Kind) -> None:
    with kind.start(jobs.Endless) as numbers:
        for _ in range(100):
            iter(numbers)
        assert next(iter(numbers)) == 0


def test_exhausted_one_shot_iterator_warns(kind: Kind) -> None:
    with kind.start(partial(jobs.generate, 3)) as numbers:
        assert list(numbers) == [0, 1, 2]
        with pytest.warns(ExhaustedIteratorWarning, match="one-shot iterator"):
            assert list(numbers) == []


def test_one_shot_iterator_goes_on_where_it_was_left(kind: Kind) -> None:
    with kind.start(partial(jobs.generate, 1000), buffer_size=1) as numbers:
        first = next(iter(numbers))
        rest = list(numbers)
        assert first == 0
        assert rest == list(range(rest[0], 1000))  # what was in the buffer is gone
        assert rest[0] <= 3


def test_iterator_that_resets_itself_is_not_exhausted(kind: Kind) -> None:
    with kind.start(partial(jobs.Resets, 3)) as numbers:
        assert list(numbers) == [0, 1, 2]
        assert list(numbers) == [0, 1, 2]


def test_iterable_by_getitem(kind: Kind) -> None:
    by_index: Callable[[], Iterable[int]] = jobs.ByIndex  # type: ignore[assignment]
    with kind.start(by_index) as squares:
        assert list(squares) == [0, 1, 4]


def test_items_are_snapshots(kind: Kind) -> None:
    with kind.start(partial(jobs.reuse_one_list, 1000)) as items:
        assert [item[0] for item in items] == list(range(1000))


def test_buffers_are_snapshots_and_writable(kind: Kind) -> None:
    with kind.start(partial(jobs.reuse_one_buffer, 50)) as items:
        kept: list[Any] = list(items)
    for number, item in enumerate(kept):
        view = memoryview(item)
        assert bytes(view[:2]) == bytes([number]) * 2
        view[0] = 255
    assert [memoryview(item)[1] for item in kept] == list(range(50))


def test_initializers_run_in_order_before_fn(kind: Kind) -> None:
    with kind.start(jobs.events, initializer=[jobs.note_one, jobs.note_two]) as events:
        assert list(events) == ["one", "two"]
    with kind.start(jobs.events, initializer=jobs.note_two) as events:
        assert list(events) == ["two"]
    assert jobs.EVENTS == []


def test_state_backend_and_repr(kind: Kind) -> None:
    with kind.start(jobs.Endless) as numbers:
        assert numbers.backend == kind.backend
        assert numbers.state == "stand by"
        iterator = iter(numbers)
        next(iterator)
        assert numbers.state == "iteration"
        del iterator
        assert numbers.state == "stopping"
        what = "pid" if kind.is_process else "interpreter"
        assert f"backend={kind.backend!r} worker='{what} " in repr(numbers)
    assert numbers.state == "closed"
    assert "state='closed'" in repr(numbers)


def test_closed_iterable_refuses_to_iterate(kind: Kind) -> None:
    numbers = kind.start(partial(jobs.Numbers, 1000))
    iterator = iter(numbers)
    assert next(iterator) == 0
    numbers.close()
    numbers.close()
    with pytest.raises(IterableClosedError, match="closed"):
        list(iterator)
    with pytest.raises(IterableClosedError, match="make a new one"):
        iter(numbers)


def test_terminate(kind: Kind) -> None:
    numbers = kind.start(partial(jobs.Spins, 3))
    iterator = iter(numbers)
    assert [next(iterator) for _ in range(3)] == [0, 1, 2]
    numbers.terminate()
    assert numbers.state == "closed"


def test_close_stops_a_python_loop(kind: Kind) -> None:
    with kind.start(partial(jobs.Spins, 3)) as numbers:
        iterator = iter(numbers)
        assert [next(iterator) for _ in range(3)] == [0, 1, 2]


def test_dropping_the_iterable_ends_the_worker(kind: Kind) -> None:
    assert list(kind.start(partial(jobs.Numbers, 10))) == list(range(10))
    for number in kind.start(jobs.Endless):
        assert number == 0
        break


def test_closing_from_another_thread(kind: Kind) -> None:
    numbers = kind.start(partial(jobs.Spins, 1))
    iterator = iter(numbers)
    assert next(iterator) == 0
    closer = threading.Timer(0.1, numbers.close)
    closer.start()
    with pytest.raises(IterableClosedError):
        next(iterator)
    closer.join()


def test_two_threads_share_one_iterable_without_corruption(kind: Kind) -> None:
    with kind.start(partial(jobs.Numbers, 300)) as numbers:
        problems: list[str] = []

        def loop() -> None:
            for _ in range(20):
                try:
                    got = list(numbers)
                except PassSupersededError:
                    continue
                if got != list(range(300)):
                    problems.append(f"{len(got)} items, {got[:3]}")

        threads = [threading.Thread(target=loop) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert list(numbers) == list(range(300))
