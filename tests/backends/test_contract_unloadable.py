"""A result of a map that does not load in the parent is the failure of its input alone."""

from __future__ import annotations

import asyncio
import gc
import weakref
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from farside import NotPicklableError, map_in_workers
from farside._protocol.order import numbers_of
from tests import mapping_jobs as jobs

if TYPE_CHECKING:
    from farside import RemoteIterable
    from tests.kinds import Kind

GOOD = [0, 1, 3, 4, 6, 7]


def start(
    kind: Kind, function: Any = jobs.refuse_at_twos, items: Any = range(8), **options: Any
) -> RemoteIterable[Any]:
    given = {"fallback": None, **kind.options, **options}
    return map_in_workers(function, items, 2, backend=kind.backend, **given)


def told(result: Any) -> Any:
    """Return a result, or what an error says of it."""
    if not isinstance(result, NotPicklableError):
        return result
    assert f"the result of the input of index {result.input_index} came from" in str(result)
    assert result.item_index == result.input_index
    assert type(result.__cause__) is OSError
    return f"failed at {result.input_index}"


@pytest.mark.parametrize("buffer_size", [None, 2])
def test_it_is_returned_in_its_place(kind: Kind, buffer_size: int | None) -> None:
    wanted = [[0], [1], "failed at 2", [3], [4], "failed at 5", [6], [7]]
    with start(kind, on_error="return", buffer_size=buffer_size) as results:
        assert [told(each) for each in results] == wanted
        assert results.stats().failed_inputs == 2
        assert [told(each) for each in results] == wanted
    with start(kind, on_error="return", in_order=False, buffer_size=buffer_size) as results:
        assert sorted(map(str, map(told, results))) == sorted(map(str, wanted))


@pytest.mark.parametrize("items", [range(8), [0, Lock(), 1, Lock()]])
def test_who_keeps_the_exception_does_not_keep_the_workers(kind: Kind, items: Any) -> None:
    results = start(kind, items=items, on_error="return")
    dropped = weakref.ref(results)
    kept = [each for each in results if isinstance(each, NotPicklableError)]
    del results
    gc.collect()
    assert len(kept) == 2
    assert dropped() is None


@pytest.mark.parametrize("buffer_size", [None, 2])
def test_it_is_left_out(kind: Kind, buffer_size: int | None) -> None:
    with start(kind, on_error="skip", buffer_size=buffer_size) as results:
        for _ in range(2):
            assert list(results) == [[number] for number in GOOD]
        stats = results.stats()
        assert (stats.items, stats.failed_inputs) == (2 * len(GOOD), 4)

        async def main() -> list[Any]:
            return [each async for each in results]

        assert asyncio.run(main()) == [[number] for number in GOOD]


def test_it_is_raised_and_the_workers_stay(kind: Kind) -> None:
    with start(kind) as results:
        for _ in range(2):
            items = iter(results)
            assert [next(items), next(items)] == [[0], [1]]
            with pytest.raises(NotPicklableError) as caught:
                next(items)
            assert told(caught.value) == "failed at 2"
            assert results.state_dict()["ended"] == [[0, 2]]


@pytest.mark.parametrize("count", [5, 40])
def test_what_comes_with_it_is_as_good_as_before(kind: Kind, count: int) -> None:
    if kind.backend == "inline":
        pytest.skip("the worker imports what the parent does")
    wanted: list[Any] = [{"found": [number]} for number in range(count)]
    wanted[2] = ModuleNotFoundError
    with start(kind, jobs.hide_at_two, range(count), on_error="return") as results:
        for _ in range(2):
            found = [
                type(each.__cause__) if isinstance(each, Exception) else each for each in results
            ]
            assert found == wanted
    with start(kind, jobs.hide_at_two, range(count)) as results:
        items = iter(results)
        assert [next(items), next(items)] == wanted[:2]
        with pytest.raises(NotPicklableError, match="make what it refers to importable"):
            next(items)


def test_a_flat_one_is_one_of_several(kind: Kind) -> None:
    wanted = [[number, each] for number in range(8) for each in range(2)]
    with start(kind, jobs.count_and_refuse, flat=True, on_error="skip") as results:
        assert list(results) == wanted
    with start(kind, jobs.count_and_refuse, flat=True, on_error="return") as results:
        found = [told(each) for each in results]
    assert found[5:7] == ["failed at 2", [2, 1]]
    assert [each for each in found if type(each) is list] == wanted


@pytest.mark.parametrize("in_order", [True, False])
def test_a_state_has_what_the_loop_was_given(kind: Kind, *, in_order: bool) -> None:
    with start(kind, on_error="skip", in_order=in_order) as results:
        given = list[int]()
        for [number] in results:
            given.append(number)
            for behind in range(len(given) + 1):
                ended = numbers_of(results.state_dict(behind=behind)["ended"])
                assert set(ended) & set(GOOD) == set(given[: len(given) - behind])
