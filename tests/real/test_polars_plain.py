"""Polars: plain columns cross as buffers of Arrow, without what is beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from farside._payload import arrow, polars_frames, polars_plain
from farside._payload.anchors import of_item
from farside._payload.encoder import Encoder
from farside._payload.items import Stored
from farside._payload.pickling import dumps_by_reference
from tests.real.polars_items import NUMBERS, ROWS, WHOLE, check, frame, is_plain

pl: Any = pytest.importorskip("polars")
pa: Any = pytest.importorskip("pyarrow")

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.payload.ways import Way

SLICES = {
    "the first": slice(0, 13),
    "from a byte of bits on": slice(8, 1000),
    "from within a byte of bits": slice(3, 1000),
    "the last": slice(ROWS - 5, ROWS),
    "one": slice(801, 802),
    "none": slice(7, 7),
    "all": slice(0, ROWS),
}


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small ones go as large ones do."""
    monkeypatch.setattr(polars_frames, "LEAST_BYTES", 0)


@pytest.mark.parametrize("part", SLICES)
def test_slices(way: Way, part: str) -> None:
    sent = WHOLE[SLICES[part]]
    check(way, sent)
    for name in sent.columns:
        check(way, sent[name])
        check(way, way.carry(sent)[name][1:])


@pytest.mark.parametrize(
    "choose",
    [
        lambda frame: frame.filter(pl.col("int") % 1000 == 3),
        lambda frame: frame[[5, 3, 5, 5]],
        lambda frame: frame.gather_every(7, 2),
        lambda frame: frame.sort("int", descending=True),
        lambda frame: pl.concat([frame, frame[3:50]], rechunk=False),
        lambda frame: pl.concat([frame, frame[3:50]], rechunk=False)[ROWS - 7 : ROWS + 9],
        lambda frame: frame.reverse(),
        lambda frame: frame.clear(),
        lambda frame: frame.with_columns(pl.all().shift(3)),
    ],
)
def test_what_was_chosen_from_a_frame(way: Way, choose: Callable[[Any], Any]) -> None:
    sent = choose(WHOLE)
    check(way, sent)
    for each in sent.get_columns():
        check(way, each)


def crossing(item: Any) -> int:
    entry = Encoder(None).encode(item)
    return entry.nbytes if isinstance(entry, Stored) else len(entry)


@pytest.mark.parametrize(
    "choose",
    [
        lambda texts: texts.head(3),
        lambda texts: texts[101:105],
        lambda texts: texts.filter(texts.str.starts_with("777 ")),
        lambda texts: texts.gather([5, 900, 3]),
        lambda texts: texts.set(texts.str.len_bytes() > 1500, None)[:3],
        lambda texts: texts.cast(pl.Binary)[500:502],
    ],
)
def test_few_of_many_long_texts_cross_by_themselves(way: Way, choose: Callable[[Any], Any]) -> None:
    texts = pl.Series("text", [f"{each} " * 300 for each in range(1000)])
    part = choose(texts)
    for sent in (part, pl.DataFrame([part, part.alias("again")])):
        assert not is_plain(sent)
        assert way.carry([sent])[0].equals(sent)
        assert crossing(sent) < 25_000  # of 1.4 MB


@pytest.mark.parametrize("chosen", [False, True])
def test_long_texts_that_are_not_shown_are_in_no_digest(*, chosen: bool) -> None:
    digests = set()
    for others in ("others", "not shown"):
        rows = [f"the text of row number {each}" for each in range(2000)]
        whole = pl.Series("text", rows + [f"{others} {each}" for each in range(600)])
        part = whole.filter(whole.str.starts_with("the ")) if chosen else whole.head(2000)
        digests.add(frozenset(of_item(part, Encoder(None))))
    assert len(digests) == 1


@pytest.mark.parametrize("name", WHOLE.columns)
@pytest.mark.parametrize(
    "part",
    [
        slice(0, 2985),
        slice(16, 3000),
        slice(16, 3003),
        slice(19, 3003),
        slice(19, 3004),
        slice(3999, None),
    ],
    ids=str,
)
def test_what_is_beside_a_slice_does_not_cross(name: str, part: slice) -> None:
    ours = WHOLE[name]
    mixed = [
        pl.concat([others[: part.start], ours[part], others[ROWS - 8 :]], rechunk=True)[
            part.start : part.start + len(ours[part])
        ]
        for others in (frame("no", 1000)[name], frame("on", 3333)[name])
    ]
    assert mixed[0].equals(mixed[1], null_equal=True)
    assert dumps_by_reference(mixed[0]) == dumps_by_reference(mixed[1])
    assert is_plain(mixed[0])


def test_equal_frames_have_one_digest_whatever_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a pass that is made again would seem to differ."""
    names = ["int", "small", "float and nulls", "short", "bool"]
    part = WHOLE[names][7:1009]
    nulls = WHOLE[names].filter(pl.col("float and nulls").is_null())
    pieces = pl.concat([part[:100], part[100:]], rechunk=False)
    digests = set()
    for several in ([part], [nulls, part], [pieces], [pieces, pieces], [WHOLE, pieces]):
        monkeypatch.setattr(polars_plain, "_layouts", {})
        encoder = Encoder(None)
        digests.add([frozenset(of_item(each, encoder)) for each in several][-1])
    assert len(digests) == 1


def test_what_is_sent_stays_as_it_was(way: Way) -> None:
    texts = pl.concat([WHOLE["short"], WHOLE["short"]], rechunk=False)
    numbers = pl.concat([WHOLE["int"], WHOLE["int"]], rechunk=False)
    for sent in (texts, numbers, pl.DataFrame([texts, numbers])):
        way.carry(sent)
        assert sent.n_chunks() == 2


def test_a_copy_of_views_has_their_texts_once() -> None:
    texts = pa.array([f"longer than twelve {each}" for each in NUMBERS], pa.string_view())
    assert len(arrow.copied(texts).buffers()) == len(texts.buffers())
