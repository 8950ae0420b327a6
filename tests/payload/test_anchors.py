"""Digests of items: the same whatever way an item has come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside._payload.anchors import is_comparable, of_entry, of_item
from farside._payload.encoder import Encoder
from farside._payload.items import ITEM_REFS, unpack
from farside._payload.joined import Joiner, join, split
from farside._payload.plain_classes import NotPlainError

if TYPE_CHECKING:
    from tests.payload.ways import Way

ITEMS: list[Any] = [
    b"x" * 50_000,
    {"a": np.arange(20_000), "b": np.ones(20_000)},
    {"a": np.arange(5_000), "b": np.ones(5_000), "c": 1},
    [np.full(2_000, number) for number in range(2 * ITEM_REFS)],
]


def digest_of(way: Way, item: object) -> bytes:
    frame = way.frame(way.encoder.encode(item))
    (entry,) = unpack(frame).entries
    return of_entry(entry, frame.blocks, plain=False)


@pytest.mark.parametrize("item", ITEMS, ids=["bytes", "large", "small", "many"])
def test_an_item_that_has_come_has_the_digest_of_the_one_that_is_made_again(
    way: Way, item: object
) -> None:
    assert digest_of(way, item) in of_item(item, Encoder(None))


def test_it_makes_no_difference_whether_buffers_share_a_block(roomy: Way) -> None:
    assert roomy.blocks
    item = ITEMS[2]
    together = digest_of(roomy, item)
    memory = roomy.blocks.arena.grant(20_000)  # from now on each has a block of its own
    assert len(roomy.encoder.encode(item).refs) == 2  # type: ignore[union-attr]
    assert digest_of(roomy, item) == together
    del memory


def test_another_item_has_another_digest(way: Way) -> None:
    item = {**ITEMS[2], "b": np.zeros(5_000)}
    assert digest_of(way, item) not in of_item(ITEMS[2], Encoder(None))


@pytest.mark.parametrize(
    ("entry", "digest"),
    [
        (b"pickle", "e1cf3a2d5acb6ef0"),
        (5, "3100dfbca7a7d2f8"),
        ("text", "e70d6ad7bfe7b572"),
        (["list", 1.5], "f21dee1c65f265bb"),
        ({"nested": [1, "text", ("text", 2.5)]}, "59d264fedd8bcb4d"),
    ],
)
def test_digests_are_the_same_in_every_release(entry: Any, digest: str) -> None:
    """States that were saved have them."""
    assert of_entry(entry, (), plain=type(entry) is not bytes).hex() == digest


class Point:
    """Of a plain class."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


class Größe:  # noqa: PLC2401  on purpose
    """One whose name is not ASCII."""


def pieces() -> list[Any]:
    word = f"word {len(ITEMS)}"
    shared = [word]
    again: list[Any] = [1]
    again.append(again)
    other = f"word {len(ITEMS)}"
    point = Point(shared, shared)
    return [
        b"bytes", "z" * 300, {"a": [word, word, other]}, Point(word, "x"), Point("x", Point(1, 2)),
        {"x": "x", "y": Point("x", None)}, [shared, shared, [word]], (1, (2, {"z"})), again,
        ["x", Point("x", "y"), shared, shared], [point, vars(point)], Größe(),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(pieces())))
@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_an_item_of_pieces_has_one_of_its_digests_where_it_arrives(
    number: int, *, settled: bool, alone: bool
) -> None:
    joiner, item = Joiner(), pieces()[number]
    for _ in range(8):
        joiner.piece(item)
    if settled and joiner.ready:
        joiner.settle()
    piece = joiner.piece(item) or b""
    [found], _ = split(memoryview(b"".join(join(joiner.start, [piece]))))
    found = joiner.start + piece if alone else found  # so with others that have no piece
    others = [each for at, each in enumerate(pieces()) if at != number]
    digest = of_entry(found, (), plain=not alone)
    assert digest in of_item(item, Encoder(None))
    assert digest in of_item(pieces()[number], Encoder(None)), "made anew"
    assert not [each for each in others if digest in of_item(each, Encoder(None))]


def test_it_does_not_matter_what_the_main_module_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for name in ("__main__", "__mp_main__"):
        monkeypatch.setitem(sys.modules, name, sys.modules[__name__])
        monkeypatch.setattr(Point, "__module__", name)
        found.add(of_entry([Point(1, 2)], (), plain=True))
    assert len(found) == 1


def test_a_large_item_has_no_digest_of_its_value() -> None:
    item = ["text"] * 100_000
    assert len(of_item(item, Encoder(None))) == 1
    with pytest.raises(NotPlainError):
        of_entry(item, (), plain=True)


PADDED: Any = np.dtype([("small", "i1"), ("large", "f8")], align=True)
TITLED: Any = np.dtype([(("A title", "small"), "i4"), ("large", "f8")], align=True)
UNION: Any = np.dtype(
    {"names": ["a", "b"], "formats": ["i4", "f4"], "offsets": [0, 0], "itemsize": 8}
)
EMPTY: Any = np.dtype({"names": [], "formats": [], "itemsize": 8})


@pytest.mark.parametrize("kind", ["g", "G", PADDED, [("part", PADDED, 2)], TITLED, UNION, EMPTY])
def test_values_with_bytes_that_nobody_writes_are_not_compared(kind: Any) -> None:
    """NumPy leaves what was in the memory before in the bytes that are no part of the value."""
    items: list[Any] = [np.zeros(3, kind), np.zeros(3000, kind), np.zeros(1, kind)[0]]
    for item in items:
        assert not is_comparable([item], Encoder(None))
        assert not is_comparable(item, Encoder(None))


TIGHT = [("small", "i1"), ("large", "f8", 3)]


@pytest.mark.parametrize("kind", ["f8", TIGHT, [(("A title", "a"), "i8")]])
def test_those_with_none_are(kind: Any) -> None:
    for item in [np.zeros(3, kind), np.zeros(3000, kind), np.zeros(1, kind)[0]]:
        assert is_comparable([item], Encoder(None))


class Tags(set[str]):
    """A set is pickled as a list if its class is the user's."""


class FrozenTags(frozenset[str]):
    """The same for one that does not change."""


@pytest.mark.parametrize("tags", [{"a"}, frozenset("a"), Tags("a"), FrozenTags("a")])
def test_an_item_with_a_set_cannot_be_compared(tags: Any) -> None:
    items = tags, {"tags": tags}, Point(tags, np.zeros(20_000)), [tags, lambda: None]
    assert not [each for each in items if is_comparable(each, Encoder(None))]
    assert is_comparable(Point([*tags], np.zeros(20_000)), Encoder(None))


@pytest.mark.parametrize("item", [lambda word: word in {"a", "b"}, [lambda: None, {"a"}]])
def test_sets_are_found_also_where_pickle_itself_does_not_get(item: Any) -> None:
    """The set among the constants of a function, for one."""
    assert not is_comparable(item, Encoder(None))
