"""Plain items are copied and pickled together: what arrives is what was yielded."""

import enum
import math
import pickle
from array import array
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._memory.parts import size
from farside._payload.items import Stored, pack
from farside._payload.joined import with_pieces_of_copies
from farside._payload.plain import ADD_COPY, INT_LIMIT, MAX_BYTES, MAX_KEYS, MAX_VALUES
from farside.testing import item_jobs
from tests.steady import STEADY
from tests.worker.boxed import Boxed


def copy_of(item: Any) -> tuple[Any, int] | None:
    entries: list[Any] = []
    add = ADD_COPY.get(type(item))
    nbytes = 0 if add is None else add(item, entries)
    return (entries[0], nbytes) if nbytes else None


def carry(*items: object) -> list[Any]:
    """Let items go all the way, in one frame."""
    boxed = Boxed()
    for item in items:
        boxed.add(item)
    boxed.box.flush()
    got = boxed.got()
    boxed.close()
    return got


Pair = namedtuple("Pair", ["a", "b"])


class Text(str):
    """A string of another class."""

    __slots__ = ()


class Number(enum.IntEnum):
    """Integers of another class."""

    ONE = 1


class Items(dict[str, int]):
    """A dictionary of another class."""


class Key:
    """A key that can be changed."""

    def __init__(self) -> None:
        self.value = 0


PLAIN: dict[str, Any] = {
    "nothing": {},
    "no list": [],
    "no tuple": (),
    "values": {"i": 1, "f": 0.5, "b": True, "n": None},
    "texts": {"s": "text", "": ""},
    "a list": [-1, -0.0, "é\U0001f600", False],
    "a tuple": (math.inf, None, 0),
    "surrogates": {"\udc80": "\ud800\udfff", "s": "a\x00b"},
    "integers": (INT_LIMIT - 1, 1 - INT_LIMIT, 1 << 29, -(1 << 29)),
    "much text": ["x" * 1000] * 2,
}


@pytest.mark.parametrize("item", PLAIN.values(), ids=PLAIN)
def test_what_is_plain_is_copied(item: Any) -> None:
    copied = copy_of(item)
    assert copied is not None
    assert copied[0] == item
    assert copied[0] is not item or type(item) is tuple
    (got,) = carry(item)
    assert same(got, item)


OTHER: dict[str, Any] = {
    "a large integer": [INT_LIMIT],
    "a large negative integer": {"n": -INT_LIMIT},
    "a huge integer": (1 << 100_000,),
    "a huge text": {"text": "x" * 100_000},
    "a huge key": {"x" * 100_000: 1},
    "texts that are large together": ["x" * (MAX_BYTES // 2)] * 3,
    "many values": list(range(MAX_VALUES + 1)),
    "a long tuple": tuple(range(1000)),
    "many keys": dict.fromkeys(map(str, range(MAX_KEYS + 1))),
    "bytes": {"b": b"bytes"},
    "a bytearray": [bytearray(b"bytes")],
    "an array": (array("d", [1.0]),),
    "a complex number": [1j],
    "numbers of NumPy": [np.float64(1), np.int64(2), np.bool_(True)],
    "keys of NumPy": {np.str_("a"): 1, np.int64(2): 2},
    "keys of bytes": {b"a": 1},
    "keys of integers": {1: 2},
    "keys in a tuple": {("a", np.float64(1)): 1},
    "a text of another class": [Text("a")],
    "a key of another class": {Text("a"): 1},
    "an integer of another class": [Number.ONE],
    "a dictionary of another class": Items(a=1),
    "an ordered dictionary": OrderedDict(a=1),
    "a default dictionary": defaultdict(int, a=1),
    "a named tuple": Pair(1, 2),
    "an inner list": {"inner": [1]},
    "one list twice": [[]] * 2,
    "a set": {1, 2},
    "in a set": [frozenset({1})],
    "a class": [int],
    "an ellipsis": [...],
    "a text": "x" * 1000,
    "bytes alone": b"b",
}


@pytest.mark.parametrize("item", OTHER.values(), ids=OTHER)
def test_all_else_is_pickled(item: Any) -> None:
    assert copy_of(item) is None
    before, got, after = carry({"before": 1}, item, (2,))
    assert same(got, pickle.loads(pickle.dumps(item)))
    assert (before, after) == ({"before": 1}, (2,))


def same(one: Any, other: Any) -> bool:
    """Tell whether two are equal, and all in them of the same types, in the same order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return bool(one.hex() == other.hex())
    return bool(one == other)


def test_a_dictionary_with_a_key_that_changes_is_as_it_was() -> None:
    changing = Key()
    boxed = Boxed()
    boxed.add({changing: 1})
    changing.value = 1
    boxed.box.flush()
    ((got,),) = boxed.frames()
    assert [each.value for each in got] == [0]
    boxed.close()


def test_containers_that_hold_themselves_arrive_so() -> None:
    item: list[Any] = []
    item.append(item)
    around: dict[str, Any] = {}
    around["around"] = around
    got, also = carry(item, around)
    assert got[0] is got
    assert also["around"] is also


def test_the_same_item_arrives_twice_as_two() -> None:
    item: dict[str, Any] = {"a": 1}
    pair = [1]
    got = carry(item, item, pair, pair)
    assert got == [item, item, pair, pair]
    assert len({id(each) for each in got}) == 4


def test_what_changes_between_two_items_is_as_it_was() -> None:
    boxed = Boxed()
    for item in item_jobs.changing():
        boxed.add(item)
    boxed.box.flush()
    assert same(boxed.got(), list(item_jobs.unchanged()))
    boxed.close()


def test_an_item_that_another_thread_changes_is_never_half_checked() -> None:
    """What is looked at is what is sent, whatever happens to the item meanwhile."""
    copied = copy_of(item := {"a": 1})
    assert copied is not None
    item["a"] = bytearray(3)  # type: ignore[assignment]
    assert copied[0] == {"a": 1}


WIDE_TEXTS = [[text * 160] * 3 for text in ("a", "é", "\u6f22", "\U0001f600", "\ud800")]
MANY_VALUES: list[Any] = [
    [-(1 << 62)] * MAX_VALUES,
    (0.5,) * MAX_VALUES,
    [""] * MAX_VALUES,
    ["x" * 190] * MAX_VALUES,
    dict.fromkeys("abcd", 1 << 62),
    {each * 300: each for each in "abcd"},
]


@pytest.mark.parametrize("item", [*PLAIN.values(), *WIDE_TEXTS, *MANY_VALUES])
def test_it_is_counted_as_what_it_takes_at_most(item: Any) -> None:
    copied = copy_of(item)
    assert copied is not None
    entry, counted = copied
    alone = pack([entry, Stored([b""], 0)])[0]
    beside_others = with_pieces_of_copies([entry])
    together = pack([entry] * 100)[0]
    assert size(alone) - size(pack([Stored([b""], 0)])[0]) <= counted
    assert size(beside_others) <= counted
    assert size(together) <= 100 * counted
    assert counted <= 4 * size(beside_others) + 30


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-INT_LIMIT - 1, INT_LIMIT + 1)
    | st.floats()
    | st.text(st.characters())
    | st.builds(lambda n: "é" * n, st.sampled_from([255, 256, MAX_BYTES, MAX_BYTES + 1]))
    | st.binary()
    | st.builds(bytearray, st.binary())
    | st.complex_numbers(allow_nan=False)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=MAX_VALUES + 1)
        | st.builds(tuple, st.lists(inner, max_size=4))
        | st.dictionaries(st.text() | st.integers(), inner, max_size=MAX_KEYS + 1)
    ),
    max_leaves=20,
)


@STEADY
@given(st.lists(VALUES, max_size=8))
def test_what_arrives_is_what_a_pickle_gives(items: list[Any]) -> None:
    expected = [pickle.loads(pickle.dumps(item)) for item in items]
    boxed = Boxed()
    for item in items:
        boxed.add(item)
        spoil(item)
    boxed.box.flush()
    got = boxed.got()
    boxed.close()
    assert same(got, expected)
    containers = [id(each) for each in inner(got) if isinstance(each, (list, dict, bytearray))]
    assert len(set(containers)) == len(containers)


def spoil(item: Any) -> None:
    """Change all that can be changed."""
    for each in inner(item):
        if isinstance(each, (list, dict, bytearray)):
            each.clear()


def inner(item: Any) -> list[Any]:
    """Return an item and all that is in it."""
    values: Any = item.values() if isinstance(item, dict) else item
    if not isinstance(item, (list, tuple, dict)):
        return [item]
    return [item, *(found for value in list(values) for found in inner(value))]
