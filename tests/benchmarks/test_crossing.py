"""The measurement of what crosses: each item is what it is called, and both ways carry it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks.crossing.measure import measure
from benchmarks.crossing.payloads import PAYLOADS, Payload

HERE = [each for each in PAYLOADS if find_spec(each.library) is not None]


@pytest.mark.parametrize("payload", HERE, ids=lambda each: f"{each.library}, {each.name}")
def test_items_are_about_as_large_as_asked_for(payload: Payload) -> None:
    item = payload.make(1_000_000)
    nbytes = getattr(item, "nbytes", None)
    if isinstance(nbytes, int):
        assert 600_000 < nbytes < 1_200_000
    assert item is not None


def test_both_ways_are_measured() -> None:
    rate = measure(PAYLOADS[0], 100_000, seconds=0.01, rounds=1)
    assert min(rate) > 0
