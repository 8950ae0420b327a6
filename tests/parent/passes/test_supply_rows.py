"""Inputs that are alike cost less, and arrive as they were taken, whatever comes between them."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside import map_in_workers
from farside._parent.passes.batches import Batch
from farside._parent.passes.supply import Supply
from farside._payload.anchors import of_input, of_item
from farside._payload.encoder import Encoder
from farside._payload.plain import ATOM_BYTES
from farside._payload.row_code import MAX_BYTES
from farside._worker.mapper import Mapper
from tests.payload.test_plain import same
from tests.steady import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLENTY, MOST = 1 << 18, 1000
ENOUGH = 500  # so many inputs that are alike are expected to go on
OTHERS: dict[str, Any] = {
    "an integer": 7,
    "a text": "text",
    "nothing": None,
    "other keys": {"id": 1, "name": "a"},
    "another order": {"text": "a", "id": 1},
    "a tuple like a row": (1, "a"),
    "a list": [1, "a"],
    "much text": {"id": 1, "text": "a" * MAX_BYTES},
    "what may change": {"id": [1], "text": "a"},
    "bytes": b"bytes",
}


@pytest.fixture(autouse=True)
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many inputs are taken together then depends on them, and not on the machine."""
    monkeypatch.setattr("farside._parent.passes.supply.monotonic", lambda: 0.0)


def sample(number: int) -> dict[str, Any]:
    return {"id": number, "text": f"sample {number}"}


def wide(number: int) -> dict[str, Any]:
    return {f"value {each}": number for each in range(8)}


def triple(number: int) -> list[Any]:
    return [number, f"sample {number}", None]


def unchanged(item: Any) -> Any:
    return item


def batches_of(items: Iterator[Any]) -> Iterator[tuple[Supply, Batch]]:
    supply = Supply(lambda: items)
    assert supply.pass_over() == 0
    while not supply.ended:
        first = supply.taken
        entries, nbytes = supply.take(MOST, PLENTY)
        if entries:
            yield supply, Batch(first, entries, nbytes, 0, supply.keys)


def arrived(*batches: Batch) -> list[Any]:
    """Return the inputs as a worker gets them."""
    mapper = Mapper(unchanged)()
    mapper.begun = [0] * 4
    mapper.add(pickle.loads(pickle.dumps([batch.order for batch in batches])))
    found: list[Any] = []
    while (inputs := mapper.next_batch(len(found))) is not None:
        found += [entry if mapper.plain else mapper.load(entry) for entry in inputs]
    return found


@pytest.mark.parametrize("make", [sample, wide, triple])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_comes_between_rows_arrives_too(make: Callable[[int], Any], other: Any) -> None:
    items = [make(number) for number in range(4 * ENOUGH)]
    items[2 * ENOUGH : 2 * ENOUGH] = [other, items[0], other]
    found = [batch for _, batch in batches_of(iter(items))]
    assert same(arrived(*found), items)


@STEADY
@given(st.lists(st.tuples(st.sampled_from([*OTHERS, "row", "wide"]), st.integers(1, 300))))
def test_any_mixture_arrives_in_order(runs: list[tuple[str, int]]) -> None:
    make = {"row": sample, "wide": wide}
    items = [
        make[kind](number) if kind in make else OTHERS[kind]
        for kind, count in runs
        for number in range(count)
    ]
    assert same(arrived(*[batch for _, batch in batches_of(iter(items))]), items)


@pytest.mark.parametrize("make", [sample, wide])
def test_dictionaries_that_are_alike_wait_as_their_values(make: Callable[[int], Any]) -> None:
    *_, (supply, last) = batches_of(map(make, range(4 * ENOUGH)))
    assert last.keys == tuple(make(0))
    assert last.entries[-1] == tuple(make(4 * ENOUGH - 1).values())
    assert last.nbytes <= MAX_BYTES * len(last.entries)
    assert supply.first_of(last.entries) == make(last.first)


def test_an_input_that_changes_after_it_was_taken_is_as_it_was() -> None:
    given: list[Any] = []

    def items() -> Iterator[Any]:
        for number in range(4 * ENOUGH):
            for each in given[-1:]:
                each["text"] = "changed"
            given.append(sample(number))
            yield given[-1]

    found = arrived(*[batch for _, batch in batches_of(items())])
    assert found == [sample(number) for number in range(4 * ENOUGH)]


def test_a_part_of_a_batch_is_sent_as_the_whole_is() -> None:
    *_, (_, last) = batches_of(map(sample, range(4 * ENOUGH)))
    assert last.keys is not None
    numbers = range(last.first, last.first + len(last.entries))
    parts = [last.part(0, 3), *last.part(3, 5).singles(), last.part(5, len(last.entries))]
    assert arrived(*parts) == [sample(number) for number in numbers]


@pytest.mark.parametrize("make", [sample, wide, triple])
def test_a_row_has_a_digest_that_its_input_has_elsewhere(make: Callable[[int], Any]) -> None:
    for supply, batch in batches_of(map(make, range(4 * ENOUGH))):
        assert of_input(supply.first_of(batch.entries)) in of_item(make(batch.first), Encoder(None))


def test_few_are_taken_where_there_is_room_for_few_bytes() -> None:
    supply = Supply(lambda: map(sample, range(8 * ENOUGH)))
    supply.pass_over()
    room = 1500  # for some twenty that are no rows
    while supply.taken < 4 * ENOUGH or supply.keys is None:
        entries, nbytes = supply.take(MOST, room)
        assert nbytes <= room + MAX_BYTES + ATOM_BYTES * len(entries)
    entries, _ = supply.take(MOST, room)
    assert supply.keys is not None
    assert room // MAX_BYTES <= len(entries) <= room // 25


@pytest.mark.parametrize("make", [sample, wide, triple])
def test_a_map_gives_the_results_of_rows(make: Callable[[int], Any]) -> None:
    count = 20 * ENOUGH
    with map_in_workers(unchanged, map(make, range(count)), 2, backend="subprocess") as results:
        assert list(results) == list(map(make, range(count)))


def replaced(most: int, item: dict[str, Any]) -> Any:
    return item if item["id"] % most else item["id"]


def test_a_function_may_return_what_is_no_row() -> None:
    function = partial(replaced, 1000)
    items = [sample(number) for number in range(20 * ENOUGH)]
    with map_in_workers(function, items, 2, backend="subprocess") as results:
        assert list(results) == list(map(function, items))
