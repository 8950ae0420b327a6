"""Rows: what arrives is what was yielded, whatever comes between items that are alike."""

import copyreg
import gc
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._payload import row_code, rows
from farside._payload.plain import INT_LIMIT
from farside._payload.row_code import MAX_BYTES, MAX_KEYS, adder, maker
from farside._payload.rows import Rows
from farside._protocol.messages import Status
from farside._worker.frame_limits import BATCH_ITEMS
from tests.payload.test_plain import OTHER, VALUES, Pair, Text, same
from tests.steady import STEADY
from tests.worker.boxed import EPOCH, Boxed

SAMPLES: dict[str, Any] = {
    "a dictionary": {"id": 1, "text": "a"},
    "keys that are no names": {"no name": 0.5, "'\"\\": None, "\ud800": True, "{0}": "{1}"},
    "a dictionary of one": {"": None},
    "a list": [1, "a", None],
    "a tuple": (0.5, True, "a", 1),
    "a tuple of one": (1,),
}


def added(sample: Any, item: Any) -> list[Any]:
    """Return the item as it arrives, if it is a row as a sample is."""
    entries: list[Any] = []
    nbytes = adder(sample)(item, entries)
    assert (0 < nbytes <= MAX_BYTES) if entries else nbytes == 0
    if type(item) is dict:
        return maker(tuple(sample))(list(chain.from_iterable(entries)))
    return entries


@pytest.mark.parametrize("item", SAMPLES.values(), ids=SAMPLES)
def test_a_row_is_what_it_was(item: Any) -> None:
    (got,) = added(item, item)
    assert same(got, item)
    assert got is not item or type(item) is tuple


@pytest.mark.parametrize("value", [1, -(1 << 40), "text", "", None, 0.5, True])
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_its_values_are_plain_ones_of_any_kind(sample: Any, value: Any) -> None:
    item: Any = dict.fromkeys(sample, value) if type(sample) is dict else [value] * len(sample)
    item = tuple(item) if type(sample) is tuple else item
    (got,) = added(sample, item)
    assert same(got, item)


NO_ROWS: dict[str, Any] = {
    "another order": {"text": "a", "id": 1},
    "another key": {"id": 1, "name": "a"},
    "fewer keys": {"id": 1},
    "more keys": {"id": 1, "text": "a", "more": 1},
    "nothing": {},
    "a key of another class": {Text("id"): 1, "text": "a"},
    "a key that is no text": {1: 1, "text": "a"},
    "a large integer": {"id": INT_LIMIT, "text": "a"},
    "much text": {"id": 1, "text": "a" * MAX_BYTES},
    "much text in all": {"id": "a" * (MAX_BYTES // 2), "text": "a" * (MAX_BYTES // 2)},
    "what may change": {"id": [], "text": "a"},
    "a text of another class": {"id": 1, "text": Text("a")},
}


@pytest.mark.parametrize("item", NO_ROWS.values(), ids=NO_ROWS)
def test_what_is_not_like_the_others_is_no_row(item: Any) -> None:
    assert added({"id": 1, "text": "a"}, item) == []


def test_equal_keys_may_be_other_objects() -> None:
    item = {key.lower(): 1 for key in ("ID", "TEXT")}
    assert added({"id": 2, "text": "b"}, item) == [item]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="no code of others runs in the middle")
def test_a_dictionary_that_changes_in_the_middle_is_no_row() -> None:
    sample: dict[str, Any] = {f"key {each}": each for each in range(MAX_KEYS)}
    item, before, found = dict(sample), gc.get_threshold(), []
    pairs = [[(each, each) for each in range(3000)]]  # so none is made of what is kept for them

    def change(*_: object) -> None:
        item[f"more {len(item)}"] = 1

    gc.callbacks.append(change)
    try:
        for threshold in range(1, 40):
            gc.disable()
            gc.collect()
            item = dict(sample)
            pairs.append([(each, each) for each in range(20)])
            gc.set_threshold(threshold)
            gc.enable()
            found.append(adder(sample)(item, []))
    finally:
        gc.callbacks.remove(change)
        gc.set_threshold(*before)
        gc.enable()
    assert 0 in found


def test_the_error_of_a_signal_handler_is_not_lost() -> None:
    add, struck, raised = adder({"id": 1, "text": "a"}), 0, 0

    def strike(*_: object) -> None:
        nonlocal struck
        struck += 1
        raise RuntimeError

    def add_until_struck() -> None:
        seen = struck
        signal.setitimer(signal.ITIMER_REAL, 0.0001)
        while struck == seen:
            for _ in range(1000):
                add({"id": 1, "text": "a"}, [])
            # Up to 3.12, Python can forget a signal that comes while it looks for signals, until a
            # thread takes the GIL. Then this loop would have no end.
            time.sleep(0)

    before = signal.signal(signal.SIGALRM, strike)
    try:
        for _ in range(200):
            try:
                add_until_struck()
            except RuntimeError:
                raised += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert raised == struck == 200


class Coded:
    """A class whose pickles name it by a number."""

    def __setstate__(self, state: Any) -> None:
        assert not state, "read"


def test_no_code_of_the_user_runs_to_find_rows() -> None:
    item = Coded()
    item.__dict__["value"] = 1
    copyreg.add_extension(__name__, "Coded", 250)
    try:
        copyreg._extension_cache[250] = Coded  # type: ignore[attr-defined]  # as after a first use
        assert rows._read(b"", pickle.dumps({"item": item}, 5)) is None
    finally:
        copyreg.remove_extension(__name__, "Coded", 250)
    assert rows._read(b"", pickle.dumps({"item": 1}, 5)) == {"item": 1}


def test_a_row_that_changes_is_as_it_was() -> None:
    entries: list[Any] = []
    item = {"id": 1, "text": "a"}
    assert adder(item)(item, entries)
    item["id"] = 2
    assert maker(tuple(item))([*entries[0]]) == [{"id": 1, "text": "a"}]


def test_code_is_made_once_for_the_same_keys_whatever_their_values() -> None:
    assert adder({"id": 1, "text": "a"}) is adder({"id": None, "text": 0.5})
    assert adder([1, "a"]) is adder(["a", None]) is not adder([1, "a", None])
    assert adder((1, "a")) is not adder([1, "a"])


class Cleared(dict[Any, Any]):
    """Functions that are kept, until another thread clears them at once."""

    def __setitem__(self, name: Any, function: Any) -> None:
        """Keep nothing."""


def test_another_thread_may_clear_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_code, "_adders", Cleared())
    monkeypatch.setattr(row_code, "_makers", Cleared())
    assert added({"id": 1}, {"id": 2}) == [{"id": 2}]


@STEADY
@given(st.sampled_from([*SAMPLES.values()]), VALUES)
def test_a_row_is_what_a_pickle_gives_or_it_is_none(sample: Any, item: Any) -> None:
    if type(item) is type(sample):
        expected = pickle.loads(pickle.dumps(item))
        assert [same(got, expected) for got in added(sample, item)] in ([], [True])


@pytest.fixture
def boxed() -> Iterator[Boxed]:
    box = Boxed(1 << 20)
    yield box
    box.close()


def send(boxed: Boxed, items: list[Any]) -> bytes:
    """Send a frame, and return what it begins with."""
    for item in items:
        boxed.add(item)
    boxed.box.flush()
    return bytes(boxed.sink.frames[-1][0].body[:1])


def dicts(count: int) -> list[Any]:
    return [{"id": number, "text": str(number)} for number in range(count)]


def test_after_a_frame_of_dictionaries_that_are_alike_their_keys_cross_once(boxed: Boxed) -> None:
    items = dicts(200)
    assert send(boxed, items) == b"P"
    assert send(boxed, items) == b"R"
    assert same(boxed.frames(), [items, items])
    assert [bytes(frame.body).count(b"text") for frame, _ in boxed.sink.frames] == [1, 1]
    assert boxed.plain() == [True, True]


def wide(count: int) -> list[Any]:
    return [{f"key {each}": number for each in range(MAX_KEYS)} for number in range(count)]


def test_larger_dictionaries_may_be_rows(boxed: Boxed) -> None:
    items = wide(200)
    assert send(boxed, items) == b"J"
    assert send(boxed, items) == b"R"
    assert same(boxed.frames(), [items, items])
    largest = wide(1)[0] | {"one": 1, "more": 2}
    assert send(boxed, [*wide(2), largest, (1,)]) != b"R"
    assert same(boxed.frames()[-1], [*wide(2), largest, (1,)])


@pytest.mark.parametrize("value", [{}, [1], 1 << 70, b"bytes", Text("a"), Pair(1, 2)])
def test_larger_dictionaries_of_what_is_not_plain_are_none(boxed: Boxed, value: Any) -> None:
    items = [{**each, "key 1": value} for each in wide(200)]
    begins = send(boxed, items)
    assert send(boxed, items) == begins != b"R"
    assert same(boxed.frames(), [items, items])


ELSE: dict[str, tuple[list[Any], int]] = {
    "records": ([{"id": number, "its": [number]} for number in range(200)], 1),
    "other keys": ([{f"other {number}": 1, **wide(1)[0]} for number in range(200)], 1),
    "other keys, but few": (
        [{f"other {each}": 1, "b": 1, "c": 1, "d": 1, "e": 1} for each in range(200)],
        2,
    ),
    "long lists": ([[*range(20)] for _ in range(200)], 0),
}


@pytest.mark.parametrize(("items", "most"), ELSE.values(), ids=ELSE)
def test_of_what_is_no_row_hardly_any_is_read(
    boxed: Boxed, monkeypatch: pytest.MonkeyPatch, items: list[Any], most: int
) -> None:
    read: list[bytes] = []

    def reader(file: BytesIO) -> Any:
        read.append(file.getvalue())
        return reading(file)

    reading = rows._PlainReader
    monkeypatch.setattr(rows, "_PlainReader", reader)
    assert send(boxed, items) == b"J"
    assert len(read) <= most


def test_those_of_several_frames_count(boxed: Boxed) -> None:
    assert [send(boxed, dicts(40)) for _ in range(6)] == [b"P"] * 4 + [b"R"] * 2


def test_frames_that_are_not_alike_begin_to_count_again(boxed: Boxed) -> None:
    others = [{"id": number} for number in range(100)]
    assert [send(boxed, each) for each in [dicts(100), others] * 3] == [b"P"] * 6
    assert [send(boxed, others) for _ in range(2)] == [b"P", b"R"]


def test_frames_of_few_items_are_not_looked_at(boxed: Boxed) -> None:
    assert [send(boxed, dicts(15)) for _ in range(20)] == [b"P"] * 20


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_and_tuples_may_be_rows(boxed: Boxed, kind: type) -> None:
    items = [kind((number, str(number))) for number in range(200)]
    send(boxed, items)
    assert boxed.box.rows.kind is kind
    others = [*items, kind((1,)), kind((1, 2, 3)), {"a": 1}, 5]
    send(boxed, others)
    assert boxed.box.rows.kind is not kind
    assert same(boxed.frames(), [items, others])


@pytest.mark.parametrize("kind", [list, tuple])
def test_of_longer_lists_and_tuples_no_code_is_made(boxed: Boxed, kind: type) -> None:
    items = [kind(range(number, number + 500)) for number in range(40)]
    for _ in range(5):
        send(boxed, items)
        assert boxed.box.rows.kind is Rows
    assert same(boxed.frames(), [items] * 5)


@pytest.mark.parametrize(
    "items", [dicts(100), dicts(99) + [{"id": 1}] * 200, [{}] * 200, [1] * 200]
)
def test_there_are_no_rows_after(boxed: Boxed, items: list[Any]) -> None:
    send(boxed, items)
    assert send(boxed, dicts(5)) == b"P"


@pytest.mark.parametrize("odd", [*OTHER.values(), *NO_ROWS.values(), (1, "a"), 5, "a", None])
def test_what_is_not_like_them_may_be_among_rows(boxed: Boxed, odd: Any) -> None:
    send(boxed, dicts(200))
    items = [*dicts(3), odd, *dicts(3), odd]
    expected = pickle.loads(pickle.dumps(items))
    assert send(boxed, items) != b"R"
    assert same(boxed.frames()[-1], expected)
    assert send(boxed, dicts(3)) == b"P", "there are no rows any more"


def test_frames_that_are_mixed_again_and_again_end_the_rows_of_a_pass(boxed: Boxed) -> None:
    begins = [send(boxed, [*dicts(200), *odd]) for odd in [[], [5]] * 10]
    assert begins == [b"P"] * 20
    send(boxed, dicts(200))
    assert send(boxed, dicts(200)) == b"P"
    boxed.box.make_ready()
    boxed.box.begin(EPOCH)
    assert send(boxed, dicts(200)) == b"P"
    assert send(boxed, dicts(200)) == b"R"


def test_rows_are_for_a_pass(boxed: Boxed) -> None:
    send(boxed, dicts(200))
    boxed.add(dicts(1)[0])
    boxed.box.make_ready()
    boxed.box.begin(EPOCH)
    assert send(boxed, [(1, "a")]) == b"P"
    assert boxed.frames()[-1] == [(1, "a")]


def test_where_little_may_wait_there_are_no_rows() -> None:
    boxed = Boxed(4 * MAX_BYTES * BATCH_ITEMS - 1)
    send(boxed, dicts(200))
    assert send(boxed, dicts(200)) == b"P"
    boxed.close()


@pytest.mark.parametrize("kind", [dict, tuple])
def test_texts_that_take_more_bytes_than_they_have_characters_end_the_rows(
    boxed: Boxed, kind: type
) -> None:
    def items(text: str) -> list[Any]:
        made = [{"text": f"{number} {text}"} for number in range(200)]
        return made if kind is dict else [tuple(each.values()) for each in made]

    narrow, wide = items("a" * 100), items("\U0001f600" * 100)
    for _ in range(2):
        send(boxed, narrow)
        assert boxed.box.rows.kind is kind
    send(boxed, wide)
    assert boxed.box.rows.kind is not kind
    assert boxed.frames() == [narrow, narrow, wide]


def test_a_frame_of_rows_is_full_by_their_number(boxed: Boxed) -> None:
    send(boxed, dicts(200))
    full = [boxed.add({"id": 1, "text": "a" * (MAX_BYTES - 18)}) for _ in range(BATCH_ITEMS)]
    assert full == [False] * (BATCH_ITEMS - 1) + [True]
    boxed.box.flush()
    (frame, _) = boxed.sink.frames[-1]
    assert (frame.kind, frame.items) == (Status.ITERATOR_SUCCESS, BATCH_ITEMS)
    assert len(frame.body) <= (1 << 20) // 4


@STEADY
@given(
    st.lists(
        st.sampled_from([*[(0, 150)] * 5, *[(1, 150)] * 5, (0, 1), (2, 3), (3, 2), (4, 1), (5, 1)])
    ),
    st.integers(1, 400),
)
def test_any_succession_of_items(runs: list[tuple[int, int]], most: int) -> None:
    """The loop takes nothing else, whatever the rows were when a frame was made."""
    kinds: list[Any] = [{"id": 1, "text": "a"}, (1, "a"), {"id": 1}, [None], "text", b"bytes"]
    items = [kinds[kind] for kind, count in runs for _ in range(count)]
    boxed = Boxed(1 << 20)
    for number, item in enumerate(items):
        if boxed.add(item) or number % most == 0:
            boxed.box.flush()
    boxed.box.flush()
    assert same(boxed.got(), items)
    boxed.close()


def test_keys_that_are_bytes_are_not_compared_with_texts() -> None:
    code = """from farside._payload.row_code import is_like
assert not is_like({b"a": 1}, {"a": 1})
"""
    subprocess.run([sys.executable, "-bb", "-c", code], check=True)


def test_a_handler_that_raises_as_items_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next frame is compared with none of those that nobody has looked at."""

    def strike(_: object) -> bool:
        raise TimeoutError

    found, entries = Rows({}, allowed=True), [object()] * 16
    with monkeypatch.context() as patch:
        patch.setattr(row_code, "may_be_row", strike)
        with pytest.raises(TimeoutError):
            found.take_in(entries, {object}, None)
    assert found.take_in(entries, {object}, None) is entries


def expecting() -> Rows:
    """Return rows that are expected, after a frame of dictionaries that are alike."""
    rows = Rows({}, allowed=True)
    rows.take_in([{"id": 1, "text": "a"}] * 128, {dict}, None)
    rows.settle(0)
    assert (rows.kind, rows.keys) == (dict, ("id", "text"))
    return rows


def test_a_frame_without_items_does_not_end_rows() -> None:
    rows = expecting()
    assert rows.take_in([], set(), None) == []
    rows.settle(0)
    assert rows.kind is dict


def test_a_new_pass_expects_no_rows() -> None:
    rows = expecting()
    rows.begin()
    assert (rows.kind, rows.keys) == (Rows, None)
    rows.settle(0)
    assert rows.kind is Rows


@pytest.mark.parametrize("start", [None, b"", b"start"])
def test_pickles_among_others_are_not_looked_at(start: bytes | None) -> None:
    entries = [pickle.dumps({"id": 1, "text": "a"}, 5), *range(40)]
    rows = Rows({}, allowed=True)
    assert rows.take_in(entries, {bytes, int}, start) is entries
    rows.settle(0)
    assert rows.kind is Rows


@pytest.mark.parametrize("values", [[1, 2, 3], [1]])
def test_values_that_are_too_few_or_too_many_are_told(values: list[int]) -> None:
    stream = pickle.dumps((("id", "text"), values), 5)
    with pytest.raises(ValueError, match=rf"{len(values)} values for dictionaries of 2"):
        rows.load(stream)
