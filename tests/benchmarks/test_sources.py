"""Sources yield the same whichever way they are used, and notice what is wrong."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import farside
from benchmarks import calls
from benchmarks.cases import CASES
from benchmarks.sources import fresh, images, payloads, small
from benchmarks.sources.base import Source, WrongItemError, function_of
from tests.children import SECONDS

SMALL = [
    small.Ints(40),
    small.Busy(40),
    small.Dozing(40),
    small.Dicts(40),
    small.Records(40),
    small.ReturnedDicts(40),
]
JPEGS = images.JpegBatches(3)
LARGE = [
    JPEGS,
    payloads.Bytes(4000, 40),
    payloads.Arrays(4000, 40),
    payloads.ReturnedArrays(4000, 40),
    payloads.Batches(4),
    fresh.Fresh(4000, 40),
    fresh.Swelling(4000, 40),
]
ALL = [*SMALL, *LARGE]


def test_the_source_of_the_starts_imports_nothing_that_is_written_in_python() -> None:
    script = (
        "import sys, os, _pickle; before = set(sys.modules)\n"
        f"_pickle.loads({pickle.dumps(small.Ints())!r})\n"
        "print(*[name for name in set(sys.modules) - before if not name.startswith('benchmarks')])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(Path(calls.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert {*done.stdout.split()} == {"__future__"}


def same(one: Any, other: Any) -> bool:
    return pickle.dumps(one) == pickle.dumps(other)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_prepared", {})


@pytest.fixture(scope="module", autouse=True)
def _files(tmp_path_factory: pytest.TempPathFactory) -> None:
    JPEGS.make_files(str(tmp_path_factory.mktemp("jpegs")))


@pytest.mark.parametrize("source", ALL, ids=lambda source: type(source).__name__)
def test_an_iterable_and_a_function_make_the_same_items(source: Source) -> None:
    iterated = list(source())
    calls.prepare(source)
    mapped = [function_of(source)(given) for given in source.inputs()]
    called = [calls.item_of(source, index) for index in source.indices()]
    assert len(iterated) == source.length or source.length is None
    assert all(map(same, iterated, mapped))
    assert all(map(same, iterated, called))


@pytest.mark.parametrize("source", ALL, ids=lambda source: type(source).__name__)
def test_right_items_pass(source: Source) -> None:
    assert source.length is not None
    source.consume(iter(source()), 0, source.length)
    for index, item in enumerate(source()):
        source.check(item, index)
        source.verify(item, index)


@pytest.mark.parametrize("source", ALL, ids=lambda source: type(source).__name__)
def test_a_lost_item_is_noticed(source: Source) -> None:
    items = list(source())
    del items[1]
    with pytest.raises(WrongItemError):
        source.consume(iter(items), 0, 3)


@pytest.mark.parametrize("source", ALL, ids=lambda source: type(source).__name__)
def test_an_early_end_is_noticed(source: Source) -> None:
    with pytest.raises(WrongItemError):
        source.consume(islice(iter(source()), 2), 0, 3)


@pytest.mark.parametrize("source", ALL, ids=lambda source: type(source).__name__)
def test_shards_take_turns(source: Source) -> None:
    whole = list(source())
    parts = [list(source.shard(index, 2)()) for index in range(2)]
    assert all(map(same, parts[0], whole[0::2]))
    assert all(map(same, parts[1], whole[1::2]))
    assert sum(map(len, parts)) == len(whole)


@pytest.mark.parametrize("name", CASES)
def test_sources_are_small_when_they_travel(name: str) -> None:
    assert len(pickle.dumps(CASES[name].source())) < 500


@pytest.mark.parametrize("source", LARGE, ids=lambda source: type(source).__name__)
def test_payloads_are_as_large_as_they_say(source: Source) -> None:
    item = list(source())[-1]
    arrays = item.values() if isinstance(item, dict) else [item]
    assert sum(memoryview(array).nbytes for array in arrays) == source.nbytes


def test_a_change_in_the_middle_is_noticed_by_the_full_check_alone() -> None:
    source = payloads.Arrays(4000)()
    array = source.item(1).copy()
    array[100] = 7
    source.check(array, 1)
    with pytest.raises(WrongItemError):
        source.verify(array, 1)


def test_allocated_arrays_lie_on_allocated_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytearray] = []

    def allocate(nbytes: int) -> bytearray:
        given.append(bytearray(nbytes))
        return given[-1]

    monkeypatch.setattr(farside, "allocate", allocate, raising=False)
    source = fresh.Allocated(4000, 3)()
    source.consume(iter(source), 0, 3)
    array = source.item(5)
    source.verify(array, 5)
    assert np.shares_memory(array, np.frombuffer(given[-1], dtype=np.int64))
    with pytest.raises(WrongItemError):
        source.check(array, 6)


def test_arrays_are_new_views_and_bytes_say_when_they_repeat() -> None:
    arrays, texts = payloads.Arrays(4000)(), payloads.Bytes(4000)()
    assert arrays.item(1) is not arrays.item(1)
    assert np.shares_memory(arrays.item(1), arrays.item(1))
    assert texts.distinct is not None
    some = [texts.item(index) for index in range(texts.distinct)]
    assert len(set(map(id, some))) == texts.distinct
    assert texts.item(texts.distinct) is some[0]


def test_the_length_of_texts_is_known_without_making_them() -> None:
    for number in (0, 1, 9, 10, 11, 99, 100, 1234):
        assert small.digits_below(number) == sum(len(str(each)) for each in range(number))


def test_a_wrong_text_is_noticed() -> None:
    source = small.Dicts()
    with pytest.raises(WrongItemError, match="length of texts"):
        source.consume(iter([{"id": 0, "text": "sample 00"}]), 0, 1)


def test_the_process_id_must_be_another() -> None:
    with pytest.raises(WrongItemError):
        small.Pids().check(os.getpid(), 0)
    assert small.Pids().item(0) == os.getpid()
