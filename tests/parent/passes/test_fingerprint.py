"""A fingerprint of shards is the same in every process."""

from __future__ import annotations

import os
import pickle
import pickletools
from functools import partial
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

import pytest

from farside._parent.passes.fingerprint import fingerprint
from farside._payload.reducers import table_of_items
from tests.children import run_python
from tests.faults.interrupting import struck_everywhere

SHARDS = [{"train", "valid", "test"}, frozenset({"a", "b", "c"}), ({"x", "y"}, 3)]
SCRIPT = f"""
from farside._parent.passes.fingerprint import fingerprint
print(fingerprint({SHARDS!r}))
"""


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_sets_have_no_order(monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    assert run_python(SCRIPT).strip() == fingerprint(SHARDS)


def test_others_have_another() -> None:
    found = {fingerprint([each]) for each in (["a", "b"], {"a", "b"}, {"a"}, {"a": "b"}, "ab", 1)}
    assert len(found) == 6


OBJECTS = """
from types import SimpleNamespace
from farside._parent.passes.fingerprint import fingerprint
words = ["red", "green", "blue", "yellow"]
kept = SimpleNamespace(path="a", words=words[:2], columns=frozenset(words))
print(fingerprint([SimpleNamespace(path="a", tags=set(words), kept=kept, first="red")]))
"""


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_sets_in_objects_have_no_order(monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    words = ["red", "green", "blue", "yellow"]
    kept = SimpleNamespace(path="a", words=words[:2], columns=frozenset(words))
    shard = SimpleNamespace(path="a", tags=set(words), kept=kept, first="red")
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    assert run_python(OBJECTS).strip() == fingerprint([shard])


OF_A_CLASS = """
from types import SimpleNamespace
from farside._parent.passes.fingerprint import fingerprint
class Tags(set): pass
class FrozenTags(frozenset): pass
words = ["red", "green", "blue", "yellow"]
print(fingerprint([SimpleNamespace(tags=Tags(words), kept=FrozenTags(words))]))
"""


def test_sets_of_a_class_of_the_users_have_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for seed in ("1", "2", "3"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        found.add(run_python(OF_A_CLASS))
    assert len(found) == 1


def test_objects_with_sets_are_told_apart() -> None:
    paths, tags = ["a", "b"], [{1}, {1, 2}, frozenset({1})]
    shards = [SimpleNamespace(path=path, tags=each) for path in paths for each in tags]
    assert len({fingerprint([shard]) for shard in shards}) == 6
    assert len({fingerprint([SimpleNamespace(code=code)]) for code in (0x8F, 0x91)}) == 2


def test_paths_in_objects_are_what_they_say() -> None:
    """Pickles of them tell the version of Python, and of which parts a path was made."""
    paths = [Path("a/b"), Path("a") / "b", PurePath("a", "b")]
    assert {fingerprint([SimpleNamespace(path=path)]) for path in paths} == {"5677b5bbdc5adf92"}
    assert fingerprint([SimpleNamespace(path=Path("a/c"))]) != "5677b5bbdc5adf92"


def test_paths_may_have_names_that_are_no_text() -> None:
    """Such a shard could not be read at all: it was a UnicodeEncodeError."""
    paths = [Path(os.fsdecode(name)) for name in (b"a\xff", b"a\xfe", "a\xff".encode())]
    assert len({fingerprint([path]) for path in paths}) == 3


def test_a_pickle_is_read_only_where_there_are_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def genops(stream: bytes) -> list[Any]:
        read.append(stream)
        return []

    monkeypatch.setattr(pickletools, "genops", genops)
    shard = SimpleNamespace(codes=b"\x8f\x91", values=[0.1] * 100)
    assert b"\x8f" in pickle.dumps(shard)
    assert fingerprint([shard])
    assert not read
    assert fingerprint([SimpleNamespace(tags={"red"})])
    assert len(read) == 1


class Placed:
    """It pickles with its address, as a tensor of PyTorch does."""

    def __reduce__(self) -> Any:
        return Placed, (id(self),)


def test_shards_are_pickled_as_items_are(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [Placed(), Placed()]
    assert fingerprint(shards[:1]) != fingerprint(shards[1:])
    monkeypatch.setitem(table_of_items(), Placed, lambda _: (Placed, ()))
    assert fingerprint(shards[:1]) == fingerprint(shards[1:])


def test_what_a_signal_handler_raises_meanwhile_is_not_lost() -> None:
    """Else a state would be saved with another fingerprint, and could not be loaded."""
    assert struck_everywhere(partial(fingerprint, [SimpleNamespace(path="a"), bytearray(3)])) > 5
