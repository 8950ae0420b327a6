"""Items that are joined to one pickle: they are what was yielded, and no code of theirs runs."""

from __future__ import annotations

import copyreg
import datetime as dt
import gc
import pickle
import signal
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside import register_reducer
from farside._memory.parts import BLOCK_BYTES
from farside._payload import joined
from farside._payload import plain_classes as classes
from farside._payload.joined import HEAD, Joiner, join, piece_of, split
from farside._payload.plain_classes import is_plain, plain_classes
from farside._payload.reducers import MOST_KEPT, of_users, table_of_items
from tests.steady import STEADY

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Sample:
    """As users write them."""

    number: int
    text: str
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    """One that can be a key."""

    number: int


@dataclass
class Child(Sample):
    """One with a base."""

    more: Any = None


class Bare:
    """Without any attribute."""


Pair = namedtuple("Pair", ["first", "second"])


class Typed(NamedTuple):
    """A named tuple with types, and a method."""

    first: int
    second: str = ""

    def both(self) -> str:
        return f"{self.first}{self.second}"


class Color(Enum):
    """No plain class."""

    RED = 1


class Slotted:
    """Its attributes are set one by one."""

    __slots__ = ("x",)


class WithState:
    """Runs code as it is made again."""

    def __setstate__(self, state: Any) -> None:
        raise AssertionError


class Given:
    """Is made with arguments."""

    def __getnewargs__(self) -> tuple[int]:
        return (1,)


class Hashed:
    """Runs code as it becomes a key, or an element of a set."""

    def __init__(self, owner: Any = None) -> None:
        self.owner, self.name = owner, "name"

    def __hash__(self) -> int:
        return hash(self.name)


class Made:
    """Has a way of its own to be made."""

    def __new__(cls, *_: Any) -> Any:
        return super().__new__(cls)


class Ends:
    """Tells when it ends."""

    def __del__(self) -> None:
        pass


class Asks:
    """Answers for attributes that it has not."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class OfPair(Pair):
    """No named tuple itself."""


class Meta(type):
    """Makes classes."""


class ByMeta(metaclass=Meta):
    """Pickle finds it in another way."""


class Reduced:
    """Says itself how it is pickled."""

    def __reduce__(self) -> Any:
        return Reduced, ()


class Fooled(tuple[Any, ...]):  # noqa: SLOT001  it is as users might write it
    """A tuple whose way to be made says that it is another."""

    def __new__(cls, *items: Any) -> Any:
        return tuple.__new__(cls, items)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


PLAIN = [Sample, Frozen, Child, Bare, Pair, Typed]
OTHERS = [
    Slotted, WithState, Given, Made, Ends, Asks, OfPair, ByMeta, Reduced, Color, Fooled,
    OrderedDict, int, dt.date, ValueError, type, Hashed,
]  # fmt: skip


@pytest.mark.parametrize("cls", PLAIN)
def test_plain_classes(cls: type) -> None:
    assert is_plain(cls)


@pytest.mark.parametrize("cls", OTHERS)
def test_other_classes(cls: type) -> None:
    assert not is_plain(cls)


def read(joiner: Joiner, pieces: list[bytes]) -> list[Any]:
    items, themselves = split(memoryview(b"".join(join(joiner.start, pieces))))
    assert themselves
    return items


def pieces_of(joiner: Joiner, *items: Any) -> list[bytes]:
    pieces = [joiner.piece(item) for item in items]
    assert None not in pieces
    return pieces  # type: ignore[return-value]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(Frozen, st.integers())
    | st.sampled_from([Sample, Pair, is_plain]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "text", "more"]) | st.text(max_size=3), inner, max_size=4
        )
        | st.tuples(inner, inner)
        | st.builds(Sample, inner, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Typed, inner, inner)
        | st.sets(st.integers() | st.text(max_size=3), max_size=3)
        | st.frozensets(st.integers(), max_size=3)
        | st.binary(max_size=9).map(bytearray)
    ),
    max_leaves=12,
)


@STEADY
@given(st.lists(values, max_size=30), st.integers(0, 30))
def test_what_is_joined_is_what_was_pickled(items: list[Any], settled: int) -> None:
    joiner = Joiner()
    pieces_of(joiner, *items[:settled])
    if joiner.ready:
        joiner.settle()
    pieces = pieces_of(joiner, *items)
    found = read(joiner, pieces)
    assert found == items
    assert list(map(type, found)) == list(map(type, items))
    assert [pickle.loads(joiner.start + each) for each in pieces] == items


def test_an_item_is_what_it_was_when_it_was_pickled() -> None:
    joiner, item = Joiner(), {"tags": ["a"], "of": Sample(0, "0")}
    pieces: list[bytes] = []
    for number in range(20):
        if joiner.ready:
            joiner.settle()
            pieces.clear()
        item["tags"].append(number)  # type: ignore[attr-defined]
        item["of"].number = number  # type: ignore[attr-defined]
        pieces += pieces_of(joiner, item)
    found = read(joiner, pieces)
    assert [each["of"].number for each in found] == [*range(8, 20)]
    assert [each["tags"][-1] for each in found] == [*range(8, 20)]
    assert len({id(each["tags"]) for each in found}) == len(found)


def test_what_is_one_object_in_an_item_stays_one_and_no_further() -> None:
    joiner, part = Joiner(), ["part"]
    round_about: dict[str, Any] = {"part": part}
    round_about["self"] = round_about
    for _ in range(9):
        pieces_of(joiner, round_about)
    joiner.settle()
    one, other = read(joiner, pieces_of(joiner, {"a": part, "b": part}, round_about))
    assert one["a"] is one["b"]
    assert other["self"] is other
    assert other["part"] == part
    assert other["part"] is not one["a"]


def test_names_and_classes_that_items_share_are_sent_once() -> None:
    joiner, word = Joiner(), "text of {}".format("both")
    first = pieces_of(joiner, *[Sample(each, word) for each in range(8)])
    assert joiner.ready
    joiner.settle()
    assert not joiner.ready
    later = pieces_of(joiner, Sample(8, word), Sample(9, "more"))
    assert sum(map(len, later)) < sum(map(len, first[:2])) / 2
    assert b"Sample" not in b"".join(later)
    one, other = read(joiner, [later[0]] * 2)
    assert one.text is other.text
    assert one == other == Sample(8, word)


def test_what_only_one_item_has_is_not_sent_with_others() -> None:
    joiner = Joiner()
    pieces_of(joiner, *[{f"key {each}": "x" * 101} for each in range(8)])
    assert not joiner.ready
    assert joiner.start == HEAD


def test_little_is_shared_at_most() -> None:
    joiner, item = Joiner(), dict.fromkeys([f"key {each}" for each in range(300)])
    pieces_of(joiner, *[item] * 8)
    joiner.settle()
    assert joiner.start.count(b"key") == 64
    assert read(joiner, pieces_of(joiner, item, item)) == [item, item]


def test_a_pass_begins_with_nothing() -> None:
    joiner = Joiner()
    pieces_of(joiner, *[Sample(1, "")] * 8)
    joiner.settle()
    joiner.begin()
    assert joiner.start == HEAD
    assert read(joiner, pieces_of(joiner, Sample(1, ""))) == [Sample(1, "")]


@pytest.mark.parametrize("cls", [Slotted, WithState, Given, Made, Hashed, Asks, ByMeta, Reduced])
def test_what_has_code_of_its_own_has_no_piece(cls: type) -> None:
    joiner = Joiner()
    assert joiner.piece([Sample(1, "", [cls()])]) is None
    assert read(joiner, pieces_of(joiner, [Sample(1, "")])) == [[Sample(1, "")]]


def test_a_set_is_not_made_before_its_elements_have_their_attributes() -> None:
    owner: set[Hashed] = set()
    owner.add(Hashed(owner))
    assert Joiner().piece(owner) is None  # as a piece it would be
    [found] = pickle.loads(pickle.dumps(owner, 5))
    assert found.name == "name"


def test_what_pickle_refuses_has_no_piece_and_raises_nothing() -> None:
    joiner = Joiner()
    endless: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 40):
        endless = [endless]
    for item in (lambda: 0, sys, endless):
        assert joiner.piece(["first", item]) is None
    while endless:  # else to let go of it goes too deep
        endless = endless.pop()
    assert read(joiner, pieces_of(joiner, ["second"])) == [["second"]]


def test_what_is_large_has_no_piece() -> None:
    joiner = Joiner()
    assert joiner.piece("x" * BLOCK_BYTES) is None
    assert joiner.piece({"x": bytes(1 << 17)}) is None
    assert joiner.piece(["x" * 100] * 10_000) is None
    small = {"x": bytes(BLOCK_BYTES // 2)}
    assert read(joiner, pieces_of(joiner, small)) == [small]


def test_nothing_is_kept_of_what_pickle_refuses() -> None:
    joiner, item = Joiner(), [Bare(), lambda: 0]
    kept = WeakSet(item)
    assert joiner.piece(item) is None
    del item
    assert not kept


def test_after_many_items_without_a_piece_none_is_tried() -> None:
    joiner = Joiner()
    for _ in range(31):
        joiner.piece(Slotted())
    pieces_of(joiner, 1)
    for _ in range(31):
        joiner.piece(Slotted())
        assert joiner.hopeful
    joiner.piece(Slotted())
    assert not joiner.hopeful
    joiner.begin()
    assert joiner.hopeful


def test_what_was_large_in_vain_too_often_is_not_tried() -> None:
    joiner, large, small = Joiner(), ["x" * 100] * 10_000, {"x": [1]}
    tried = 0
    while joiner.hopeful:
        assert joiner.piece(large) is None
        joiner.sent(together=9)
        tried += 1
    assert 10 < tried < 100
    assert joiner.piece(small) is None
    assert not joiner.settle()
    assert joiner.start == b"", "it counts with each entry"
    joiner.begin()
    assert joiner.start == HEAD
    assert joiner.piece({"x": bytes(1 << 20)}) is None
    assert not joiner.hopeful


def test_what_goes_apart_too_often_is_not_tried() -> None:
    joiner = Joiner()
    joiner.sent(together=5000)  # which does not make up for what comes later
    joiner.sent(apart=600)
    joiner.sent(together=500)
    joiner.sent(apart=899)
    assert joiner.hopeful
    joiner.sent(apart=1)
    assert not joiner.hopeful
    joiner.begin()
    joiner.sent(apart=999)
    assert joiner.hopeful


def test_a_reducer_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        pass

    monkeypatch.setattr(f"{__name__}.Late", Late, raising=False)
    Late.__qualname__ = "Late"
    joiner = Joiner()
    pieces_of(joiner, Late())
    try:
        register_reducer(Late, lambda _: (Sample, (1, "")))
        assert joiner.piece(Late()) is None
    finally:
        del of_users[Late]
        del table_of_items()[Late]


def test_a_pass_asks_copyreg_again(monkeypatch: pytest.MonkeyPatch) -> None:
    joiner = Joiner()
    pieces_of(joiner, Bare())
    monkeypatch.setitem(copyreg.dispatch_table, Bare, lambda _: (Sample, (1, "")))
    joiner.begin()
    assert joiner.piece(Bare()) is None
    monkeypatch.undo()
    assert is_plain(Bare)


def test_of_classes_that_are_made_for_each_item_few_are_kept() -> None:
    joiner, made = Joiner(), WeakSet[type]()
    for _ in range(5 * MOST_KEPT):
        cls = type("Made", (), {})
        made.add(cls)
        assert joiner.piece(cls()) is None
        assert joiner.piece(Bare()) is not None
        joiner.sent(together=5)
    del cls
    gc.collect()
    assert joiner.hopeful
    assert len(made) <= MOST_KEPT


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_what_a_signal_handler_raises_is_raised_and_nothing_is_left(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(*_: object) -> None:
        raise error

    joiner = Joiner()
    pieces_of(joiner, *[{"key": each} for each in range(8)])
    joiner.settle()
    monkeypatch.setattr(classes, "_REDUCE", lambda _: signal.raise_signal(signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(error):
            joiner.piece({"key": ["first"], "bare": Bare()})
    finally:
        signal.signal(signal.SIGUSR1, before)
        plain_classes.clear()
    monkeypatch.undo()
    item = {"key": ["first"]}
    assert read(joiner, pieces_of(joiner, item, item)) == [item, item]


def test_what_was_pickled_and_not_taken_is_no_part_of_the_next() -> None:
    joiner = Joiner()
    assert joiner.piece(["before"])
    joiner._begun = True
    joiner._dump(["an exception strikes now"])
    assert read(joiner, pieces_of(joiner, ["next"])) == [["next"]]


class _StruckError(Exception):
    """What `_strike` raises."""


def _strike(after: int) -> Any:
    """Return a trace function that raises after so many steps in the code of `joined`."""
    left = [after]

    def trace(frame: Any, event: str, _: object) -> Any:
        if frame.f_code.co_filename != joined.__file__:
            return None
        frame.f_trace_opcodes = True
        left[0] -= event == "opcode"
        if left[0] < 0:
            sys.settrace(None)
            raise _StruckError
        return trace

    return trace


def _read_struck(after: int) -> bool:
    """Join items while an exception strikes after so many steps; tell whether it has."""
    word, struck = "text of {}".format("both"), False
    joiner, wanted, pieces = Joiner(), [], []  # type: ignore[var-annotated]
    joined_ones: list[Any] = [Sample(each, word, [word, str(each)]) for each in range(8)]
    its: dict[str, Any] = {"its": [word]}
    others: list[Any] = [1, its, [word, its, Slotted()], its]
    old, trace = sys.gettrace(), _strike(after)
    few = joined_ones[:2]
    for number, item in enumerate([*joined_ones, *others, *few, *others, *few]):
        sys.settrace(trace if number > 6 and not struck else old)
        try:
            if joiner.ready:
                wanted.clear()
                pieces.clear()
                joiner.settle()
            piece = joiner.piece(item)
        except _StruckError:
            struck, piece = True, None
        finally:
            sys.settrace(old)
        if piece is not None:
            pieces.append(piece)
            wanted.append(item)
    assert read(joiner, pieces) == wanted
    return struck


def test_an_exception_that_strikes_anywhere_spoils_no_other_item() -> None:
    after = 0
    while _read_struck(after):
        after += 1
    assert after > 100


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """A class that only the other side can import."""
    module = ModuleType("only_elsewhere")

    class Hidden:
        pass

    name = "Größe"  # not all readers take one that is not ASCII
    Hidden.__module__, Hidden.__qualname__ = module.__name__, name
    setattr(module, name, Hidden)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield Hidden
    plain_classes.clear()


@pytest.mark.parametrize("settled", [False, True])
def test_where_a_class_is_missing_each_item_is_read_alone(
    *, settled: bool, elsewhere: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    joiner, items = Joiner(), [{"key": "\x80\x03"}, b"\x80\x03](", elsewhere(), [3]]
    for _ in range(2):
        pieces_of(joiner, *items)
    if settled:
        joiner.settle()
    stream = b"".join(join(joiner.start, pieces_of(joiner, *items)))
    monkeypatch.delitem(sys.modules, "only_elsewhere")
    pickles, themselves = split(memoryview(stream))
    assert not themselves
    assert len(pickles) == len(items)
    for number, each in enumerate(pickles):
        if settled or number == 2:  # what is before the pieces needs the class too
            with pytest.raises(ImportError):
                pickle.loads(each)
        else:
            assert pickle.loads(each) == items[number]


@pytest.mark.parametrize("cut", [1, 2, 5, 12])
def test_what_is_cut_short_cannot_be_read(cut: int) -> None:
    stream = b"".join(join(HEAD, [piece_of([1, "text"]), piece_of(2)]))
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        split(memoryview(stream[:-cut]))


def test_the_handler_of_a_signal_is_heard_while_items_are_read() -> None:
    def handle(*_: object) -> None:
        raise LookupError("of the handler")

    of_pieces = b"".join(join(HEAD, [pickle.dumps(_Strikes(), 3), piece_of(1)]))
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        for stream in (pickle.dumps([_Strikes()], 3), of_pieces):
            with pytest.raises(LookupError, match="of the handler"):
                split(memoryview(stream))
    finally:
        signal.signal(signal.SIGUSR1, before)


class _Strikes:
    def __reduce__(self) -> Any:
        return signal.raise_signal, (signal.SIGUSR1,)
