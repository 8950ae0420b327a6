"""Cases and contestants, and who takes part in what."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

import pytest

from benchmarks import targets
from benchmarks.cases import CASES
from benchmarks.cases.base import Case
from benchmarks.contestants import CONTESTANTS
from benchmarks.contestants.base import Contestant, take_turns
from benchmarks.sources import payloads, small

GROUPS = {"farside", "peer", "ceiling", "source"}


def participants(case: str) -> set[str]:
    return {name for name, each in CONTESTANTS.items() if each.refuses(CASES[case]) is None}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_complete(name: str) -> None:
    case = CASES[name]
    assert case.name == name
    assert case.title
    assert case.unit
    assert case.demands


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_contestants_and_farside_is_one_of_them(name: str) -> None:
    found = participants(name)
    if not name.startswith("allocated"):
        assert any(CONTESTANTS[each].group == "farside" for each in found)
        if not name.startswith("at-once"):  # which compare farside with itself
            assert any(CONTESTANTS[each].group == "peer" for each in found)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_contestant_is_complete(name: str) -> None:
    contestant = CONTESTANTS[name]
    assert contestant.name == name
    assert contestant.group in GROUPS
    assert inspect.getdoc(type(contestant))
    assert any(name in participants(case) for case in CASES)


def test_demands_are_offered_by_someone() -> None:
    offered = frozenset().union(*(each.offers for each in CONTESTANTS.values()))
    for case in CASES.values():
        assert case.demands <= offered


def test_chunks_take_no_part_where_latency_counts() -> None:
    assert "pool-imap-1000" in participants("ints")
    for case in ("first-item-warm", "further-pass", "idle-cpu", "death"):
        assert "pool-imap-1" in participants(case)
        assert "pool-imap-1000" not in participants(case)


def test_repeated_objects_are_not_pickled_together() -> None:
    assert "pool-imap-100" in participants("bytes-10kB")
    assert "pool-imap-1000" not in participants("bytes-10kB")
    assert "joblib-2" not in participants("bytes-10kB")
    assert "joblib-2" in participants("arrays-10kB")


def test_the_default_variant_takes_part_at_any_size() -> None:
    assert {"spdl-subprocess-3", "spdl-pool-3", "pool-imap-1"} <= participants("arrays-10MB")
    assert "spdl-pool-64" in participants("arrays-100kB")
    assert not {"spdl-subprocess-1000", "spdl-pool-64"} & participants("arrays-1MB")


def test_numpy_is_for_those_in_which_it_loads() -> None:
    for name in participants("arrays-1MB"):
        assert "interpreter" not in name


def test_a_library_that_is_not_there_is_told() -> None:
    class Absent(Contestant):
        name = "absent"
        library = "no_such_library"

    class Future(Contestant):
        name = "future"
        python = (4, 0)

    assert Absent().missing() == "not installed"
    assert Future().missing() == "needs Python 4.0"
    assert CONTESTANTS["pool-imap-1"].missing() is None


def test_a_new_contestant_needs_few_lines() -> None:
    class Mine(Contestant):
        name = "mine"

    assert Mine().refuses(CASES["ints"]) is None
    missing = Case("x", "x", small.Ints, lambda _: 0.0, demands=frozenset({"wings", "fins"}))
    assert Mine().refuses(missing) == "has no fins, wings"


def test_a_tuned_variant_keeps_within_memory() -> None:
    class Tuned(Contestant):
        name = "tuned"
        offers = Contestant.offers - {"default"}
        together = 1000

    case = Case("x", "x", lambda: payloads.Arrays(1_000_000), lambda _: 0.0)
    assert Tuned().refuses(case) == "would keep too much in memory"


def test_several_take_turns_and_a_single_one_is_left_alone() -> None:
    assert list(take_turns([[0, 2, 4], [1, 3, 5]])) == [0, 1, 2, 3, 4, 5]
    single = [1]
    assert take_turns([single]) is single


def test_bars_are_about_cases_and_contestants_that_exist() -> None:
    for bar in targets.BARS:
        assert bar.contestant in participants(bar.case) or bar.case.startswith("allocated")
        for goal in (*bar.least, *bar.aims):
            for name in goal.of:
                assert name in CONTESTANTS
            assert any(name in participants(bar.of_case or bar.case) for name in goal.of)
    for limit in targets.LIMITS:
        assert limit.contestant in participants(limit.case)
        assert limit.aim <= limit.most


def test_allocated_memory_is_for_a_farside_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "farside", ModuleType("farside"))
    case = CASES["allocated-10MB"]
    contestant = CONTESTANTS["farside-subprocess"]
    assert contestant.refuses(case) == "this farside has no allocate()"
    monkeypatch.setattr(sys.modules["farside"], "allocate", bytearray, raising=False)
    assert participants(case.name) == {"farside-subprocess"}
