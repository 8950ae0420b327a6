"""Cases of several workers: who takes part, what they open, and that it works."""

from __future__ import annotations

import sys
from itertools import count, islice
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import farside
from benchmarks import runner
from benchmarks.cases import CASES
from benchmarks.contestants import CONTESTANTS
from benchmarks.contestants.pypi_pools import _in_parts
from benchmarks.sources.base import WrongItemError
from benchmarks.sources.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SEVERAL = [name for name in CASES if name.startswith(("workers-", "map-", "images-"))]
OTHERS = [name for name in CASES if name not in SEVERAL]


def takes_part(contestant: str, case: str) -> bool:
    return CONTESTANTS[contestant].refuses(CASES[case]) is None


# Who ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mpire-1", "pebble-1", "pool-imap-unordered-1"])
def test_some_take_part_with_several_workers_alone(name: str) -> None:
    assert not any(takes_part(name, case) for case in OTHERS)
    assert takes_part(name, "map-ints")
    assert takes_part(name, "workers-1ms-16")


def test_chunks_take_no_part_where_an_item_takes_a_millisecond() -> None:
    for way in ("workers", "map"):
        assert takes_part("pool-imap-1", f"{way}-1ms-4")
        assert not takes_part("pool-imap-1000", f"{way}-1ms-4")


def test_who_gives_no_order_takes_part_where_numbers_come_from_several() -> None:
    taken = {case for case in CASES if takes_part("pool-imap-unordered-1", case)}
    assert {"map-ints", "map-busy", "workers-ints-4"} <= taken
    assert not {"map-dicts", "map-arrays-100kB", "map-1ms-1", "workers-ints-1"} & taken


@pytest.mark.parametrize(
    ("case", "function"), [("map-ints", "map_in_workers"), ("workers-4", "iterate_in_workers")]
)
def test_functions_for_several_are_for_a_farside_that_has_them(
    case: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "farside", ModuleType("farside"))
    contestant = CONTESTANTS["farside-subprocess"]
    assert contestant.refuses(CASES[case]) == f"this farside has no {function}()"
    assert contestant.refuses(CASES["ints"]) is None


# What is opened -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["farside-subprocess", "farside-subinterpreter"])
@pytest.mark.parametrize(
    ("case", "function"), [("map-1ms-4", "map_in_workers"), ("workers-4", "iterate_in_workers")]
)
def test_farside_is_asked_for_its_function_for_several(
    name: str, case: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, object]] = []

    def note(_: object, __: object, num_workers: int, **options: object) -> None:
        asked.append((num_workers, options["backend"]))

    monkeypatch.setattr(farside, function, note, raising=False)
    CONTESTANTS[name].open(CASES[case].source(), CASES[case])
    assert asked == [(4, name.partition("-")[2])]


@pytest.mark.parametrize(
    ("case", "contestant"),
    [
        *((case, "farside-subprocess") for case in ("map-ints", "map-dicts", "map-arrays-100kB")),
        *((case, "farside-subprocess") for case in ("workers-ints-4", "workers-1ms-2")),
        *((case, "farside-subprocess") for case in ("images-2", "images-cpu-2")),
        *((case, "farside-subinterpreter") for case in ("map-dicts", "workers-ints-4")),
        *((case, "in-process") for case in ("map-ints", "map-dicts", "map-arrays-100kB")),
        ("images-2", "pool-imap-1"),
        ("images-2", "torch-dataloader"),
        *((case, "pool-imap-100") for case in ("map-dicts", "map-arrays-100kB")),
        *((case, "pool-imap-unordered-100") for case in ("map-ints", "map-busy")),
        *((case, "process-executor-100") for case in ("map-ints", "map-dicts")),
        *((case, "joblib-2") for case in ("map-dicts", "map-arrays-100kB")),
        *((case, "mpire-100") for case in ("map-ints", "map-dicts", "map-arrays-100kB")),
        *((case, "pebble-100") for case in ("map-ints", "map-dicts", "map-arrays-100kB")),
    ],
)
def test_everyone_brings_the_right_items(case: str, contestant: str) -> None:
    if reason := CONTESTANTS[contestant].missing():
        pytest.skip(f"{contestant}: {reason}")
    answer = runner._ask(sys.executable, (case, contestant, "0.01"), 45)
    assert "error" not in answer
    assert answer["value"] > 10


# Parts and order ----------------------------------------------------------------------------------


def test_inputs_without_an_end_are_submitted_one_part_ahead() -> None:
    parts: list[list[int]] = []

    waited: list[list[int]] = []

    def submit(inputs: Iterable[Any]) -> Callable[[], list[int]]:
        part = list(inputs)
        parts.append(part)

        def wait() -> list[int]:
            waited.append(part)
            return part

        return wait

    results = _in_parts(submit, count(), 3)
    assert list(islice(results, 3)) == [0, 1, 2]
    assert parts == [[0, 1, 2], [3, 4, 5]]
    assert waited == [[0, 1, 2]]
    assert list(islice(results, 3)) == [3, 4, 5]
    assert list(_in_parts(submit, range(7), 3)) == list(range(7))


def tallied(items: Iterable[int]) -> None:
    tally = Tally()
    iterator = iter(list(items))
    tally.verify(next(iterator), 0)
    left = list(iterator)
    tally.consume(iter(left), 1, len(left))
    tally.finish()


def test_numbers_may_come_in_any_order() -> None:
    tallied([2, 0, 1, 5, 4])  # number 3 is still on its way


def test_a_number_that_came_twice_is_noticed() -> None:
    with pytest.raises(WrongItemError, match="different items"):
        tallied([0, 1, 2, 1])


def test_numbers_that_nobody_sent_are_noticed() -> None:
    with pytest.raises(WrongItemError, match="-1 to 1"):
        tallied([0, -1, 1])
    with pytest.raises(WrongItemError, match="0 to 100000"):
        tallied([0, 100_000, 1])


def test_an_early_end_is_noticed_in_any_order() -> None:
    with pytest.raises(WrongItemError, match="number of items"):
        Tally().consume(iter([0, 1]), 0, 3)
