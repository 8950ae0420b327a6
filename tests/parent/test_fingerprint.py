"""A fingerprint of shards is the same in every process."""

from __future__ import annotations

import pytest

from farside._parent.fingerprint import fingerprint
from tests.children import run_python

SHARDS = [{"train", "valid", "test"}, frozenset({"a", "b", "c"}), ({"x", "y"}, 3)]
SCRIPT = f"""
from farside._parent.fingerprint import fingerprint
print(fingerprint({SHARDS!r}))
"""


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_sets_have_no_order(monkeypatch: pytest.MonkeyPatch, seed: str) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    assert run_python(SCRIPT).strip() == fingerprint(SHARDS)


def test_others_have_another() -> None:
    found = {fingerprint([each]) for each in (["a", "b"], {"a", "b"}, {"a"}, {"a": "b"}, "ab", 1)}
    assert len(found) == 6
