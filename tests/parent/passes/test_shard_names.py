"""A shard is named in errors by its text or path, and no code of the user's runs for that."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from farside._parent.passes.shard_names import name_of


class Shouts(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise SystemExit


class Hidden:
    def __repr__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("shard", "name"),
    [
        ("a.txt", "'a.txt'"),
        (Path("b/a.txt"), "'b/a.txt'"),
        (PurePosixPath("a.txt"), "'a.txt'"),
        ("x" * 201, f"'{'x' * 200}…'"),
        ("a\nb\x1b\u2028", r"'a\nb\x1b\u2028'"),
        (("a.txt", 5, 9), "'a.txt', 5, 9"),
        (["a.txt", None, True, 0.5], "'a.txt', None, True, 0.5"),
        (("a", "b", "c", "d", "e"), "'a', 'b', 'c', 'd', …"),
        (("a.txt", Hidden(), [1], 10**5000), "'a.txt', …, …, …"),
        (5, ""),
        ((5, 9), ""),
        ([], ""),
        (Hidden(), ""),
        (Shouts("a"), ""),
        ({"path": "a.txt"}, ""),
        (b"a", ""),
    ],
)
def test_its_name(shard: Any, name: str) -> None:
    assert name_of(shard) == name
