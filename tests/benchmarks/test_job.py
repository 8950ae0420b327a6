"""One measurement."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import job
from benchmarks.cases import CASES
from benchmarks.cases.base import Case, FailedError, Job
from benchmarks.cases.loops import AT_ONCE
from benchmarks.contestants import CONTESTANTS
from benchmarks.contestants.base import Contestant
from benchmarks.sources import small

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from benchmarks.sources.base import Source


class Fake(Contestant):
    """Hands out what a test wants."""

    name = "fake"

    def __init__(self, change: Any = None) -> None:
        self.change = change
        self.opened: list[tuple[int, int | None]] = []
        self.open_now = 0

    @contextmanager
    def open(self, source: Source, case: Case) -> Iterator[Iterable[Any]]:
        """Iterate on the source, or on what `change` makes of it."""
        self.opened.append((case.workers, case.buffer_size))
        self.open_now += 1
        yield self.change(source()) if self.change else source()
        self.open_now -= 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    contestant = Fake()
    monkeypatch.setitem(CONTESTANTS, "fake", contestant)
    return contestant


def measure(case: str, seconds: float = 0.01) -> dict[str, Any]:
    with ExitStack() as stack:
        return job.measure(case, "fake", seconds, stack)


@pytest.mark.parametrize(
    "case", ["ints", "dicts", "arrays-10kB", "bytes-10kB", "batch", "fresh-100kB", "list-100kB"]
)
def test_rates(case: str, fake: Fake) -> None:
    assert measure(case)["value"] > 100
    assert fake.open_now == 0


class _ByAsyncFor:
    """Iterates on a source by ``async for``, and gives other tasks a turn at every item."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._source:
            await asyncio.sleep(0)
            yield item


@pytest.mark.parametrize("case", ["at-once-ints", "at-once-dicts", "at-once-arrays"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_rates_of_several_workers(case: str, fake: Fake, *, asynchronous: bool) -> None:
    if asynchronous:
        fake.change = _ByAsyncFor
        fake.offers = frozenset({"async"})
    assert measure(case)["value"] > 100
    assert len(fake.opened) == AT_ONCE
    assert fake.open_now == 0


def test_each_of_several_workers_is_checked(fake: Fake) -> None:
    fake.change = lambda _: iter([0, 1, 1])
    assert "item: got 1, not 2" in measure("at-once-ints")["error"]


@pytest.mark.parametrize("case", ["first-item-cold", "first-item-warm", "further-pass"])
def test_times(case: str, fake: Fake) -> None:
    assert 0 < measure(case)["value"] < 1000
    assert fake.open_now == 0


def test_the_case_sets_workers_and_buffer(fake: Fake) -> None:
    measure("ints-buffer3")
    measure("workers-4")
    assert fake.opened == [(1, 3), (4, None)]


def test_the_case_may_set_a_longer_time_to_warm_up(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CASES, "ints", replace(CASES["ints"], warm_up=0.2))
    begun = time.perf_counter()
    assert measure("ints")["value"] > 100
    assert time.perf_counter() - begun >= 0.2
    assert fake.open_now == 0


def test_numbers_in_any_order_are_right_for_who_gives_no_order(fake: Fake) -> None:
    fake.change = lambda source: (index ^ 1 for index in source)
    assert "got 1, not 0" in measure("ints")["error"]
    fake.in_order = False
    assert measure("ints")["value"] > 100
    fake.change = lambda source: (index // 2 for index in source)
    assert "number of different items" in measure("ints")["error"]


def test_the_import_is_timed_in_a_fresh_interpreter() -> None:
    with ExitStack() as stack:
        answer = job.measure("import", "import-multiprocessing", 0.01, stack)
    assert answer["value"] > 0.1


def test_wrong_items_are_an_error_not_a_value(fake: Fake) -> None:
    fake.change = lambda source: (index + (index > 500) for index in source)
    assert measure("ints")["error"].startswith("sum of items: got ")


def test_a_stream_that_ends_is_an_error(fake: Fake) -> None:
    fake.change = lambda source: (item for item, _ in zip(source, range(100)))  # noqa: B905
    assert "not" in measure("ints")["error"]


def test_what_a_library_raises_is_its_result(fake: Fake) -> None:
    fake.change = lambda _: 1 / 0
    assert measure("ints") == {"error": "ZeroDivisionError: division by zero"}


def test_a_worker_that_is_not_seen_to_die_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(_: Job) -> float:
        raise FailedError("not within 5 s")

    monkeypatch.setitem(CASES, "x", Case("x", "x", small.Ints, give_up))
    monkeypatch.setitem(CONTESTANTS, "fake", Fake())
    assert measure("x") == {"error": "not within 5 s"}


def test_the_outcome_is_written_before_anything_is_closed(fake: Fake, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    seen: list[object] = []

    @contextmanager
    def open_and_look(*_: object) -> Iterator[Iterable[Any]]:
        yield small.Ints()
        seen.append(json.loads(path.read_text()))

    fake.open = open_and_look  # type: ignore[method-assign,assignment]
    job.main(["ints", "fake", "0.01", str(path)])
    assert seen == [json.loads(path.read_text())]
    assert json.loads(path.read_text())["value"] > 0


def test_the_survey_tells_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    job.main([str(path)])
    survey = json.loads(path.read_text())["contestants"]
    assert survey.keys() == CONTESTANTS.keys()
    assert survey["farside-subprocess"]["refuses"]["ints"] is None
    assert survey["farside-subprocess"]["refuses"]["import"] == "has no import"
