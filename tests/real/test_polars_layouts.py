"""Polars: alike frames share their names and types, and what the user says comes first."""

from __future__ import annotations

import copyreg
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from farside import register_reducer
from farside._payload import polars_frames, polars_plain
from farside._payload.pickling import dumps_by_reference
from tests.real.polars_items import NUMBERS, ROWS, WHOLE, check, frame, is_plain

pl: Any = pytest.importorskip("polars")
pa: Any = pytest.importorskip("pyarrow")

if TYPE_CHECKING:
    from tests.payload.ways import Way

LEAST_BYTES = polars_frames.LEAST_BYTES


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small ones go as large ones do."""
    monkeypatch.setattr(polars_frames, "LEAST_BYTES", 0)


def test_alike_frames_share_types(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts: dict[Any, Any] = {}
    monkeypatch.setattr(polars_plain, "_layouts", layouts)
    streams = [
        dumps_by_reference(frame(start=start).rename(lambda name, start=start: f"{name} {start}"))
        for start in range(3)
    ]
    ((pickled, *_),) = layouts.values()
    assert [stream.count(pickled) for stream in streams] == [1] * 3


def test_a_long_text_says_nothing_of_others_with_its_type(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polars_plain, "_layouts", {})
    long = pl.Series("text", ["longer than twelve"] * ROWS)
    assert not is_plain(long)
    assert way.carry(long).equals(long)
    check(way, WHOLE["short"])


def test_names_and_types_are_told_apart(way: Way) -> None:
    for kind in (pl.Int64, pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Datetime("ms")):
        for name in ("a", "", "ä\U0001f600", "a" * 1000):
            series = pl.Series(name, NUMBERS).cast(kind)
            check(way, series)
            check(way, series.to_frame())
            check(way, pl.DataFrame([series, series.alias("b")]))


def test_many_columns_are_not_kept(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    layouts: dict[Any, Any] = {}
    monkeypatch.setattr(polars_plain, "_layouts", layouts)
    sent = pl.DataFrame({f"{each}": [each] for each in range(300)})
    assert not is_plain(sent)
    assert way.carry(sent).equals(sent)
    assert not layouts


def test_columns_of_an_enum_are_not_looked_at(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    layouts: dict[Any, Any] = {}
    monkeypatch.setattr(polars_plain, "_layouts", layouts)
    sent = pl.DataFrame([pl.Series(["a", "b"] * ROWS, dtype=pl.Enum(["a", "b"]))])
    assert way.carry(sent).equals(sent)
    assert not layouts


@pytest.mark.parametrize("columns", [1, 3])
def test_small_ones_go_as_polars_pickles_them(
    way: Way, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(polars_frames, "LEAST_BYTES", LEAST_BYTES)
    for rows, plain in ((LEAST_BYTES // 8 - 1, False), (LEAST_BYTES // 8, True)):
        series = pl.Series("a", range(rows))
        sent = pl.DataFrame([series.alias(f"{each}") for each in range(columns)])
        assert (is_plain(series), is_plain(sent)) == (plain, plain)
        assert way.carry(sent).equals(sent)
        assert way.carry(series).equals(series)


def test_reducers_of_users_count(way: Way) -> None:
    sent = WHOLE[["int", "short"]]
    check(way, sent)
    register_reducer(pl.DataFrame, lambda frame: (list, (frame.columns,)))
    register_reducer(pl.Series, lambda series: (str, (series.name,)))
    assert way.carry([sent, sent["int"]]) == [["int", "short"], "int"]


def test_reducers_of_copyreg_count_at_once(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = WHOLE[["int", "short"]]
    check(way, sent)
    monkeypatch.setitem(
        copyreg.dispatch_table, pl.DataFrame, lambda frame: (list, (frame.columns,))
    )
    monkeypatch.setitem(copyreg.dispatch_table, pl.Series, lambda series: (str, (series.name,)))
    assert way.carry([sent, sent["int"]]) == [["int", "short"], "int"]


class Old:
    """A library that lacks what is used of it."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def test_an_older_polars_pickles_as_usual(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polars_plain, "_layouts", {})
    monkeypatch.setattr(pl, "CompatLevel", Old())
    assert not is_plain(WHOLE)
    assert way.carry(WHOLE).equals(WHOLE)


def test_a_pyarrow_that_cannot_make_views_of_texts(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polars_plain, "_layouts", {})
    lib = SimpleNamespace(**{name: getattr(pa.lib, name) for name in KINDS}, Array=Old())
    modules = {**sys.modules, "pyarrow.lib": lib}
    monkeypatch.setattr(polars_plain, "sys", SimpleNamespace(modules=modules))
    assert not is_plain(WHOLE["short"])
    assert is_plain(WHOLE["int and nulls"])
    assert way.carry(WHOLE["short"]).equals(WHOLE["short"])


KINDS = "DictionaryType", "BaseExtensionType", "null", "py_buffer"


def test_a_pyarrow_that_cannot_copy_texts(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(_: Any) -> None:
        raise pa.ArrowNotImplementedError

    monkeypatch.setattr(polars_plain, "copied", copied)
    sent = WHOLE["short and nulls"][3:3900]
    assert not is_plain(sent)
    assert way.carry(sent).equals(sent)
