"""What is alive of objects that are known weakly."""

import sys
from types import FrameType
from typing import Any
from weakref import WeakValueDictionary

from farside._system.weak_values import alive


class Thing:
    """Something that can be known weakly."""


def test_those_are_told_that_somebody_has() -> None:
    kept = Thing()
    record = WeakValueDictionary({1: kept, 2: Thing()})
    assert alive(record) == [kept]


def test_another_may_be_added_at_any_moment() -> None:
    objects = [Thing() for _ in range(1000)]
    record = WeakValueDictionary(dict(enumerate(objects[:3])))

    def add_one(*_: object) -> Any:
        record[len(record)] = objects[len(record)]
        return trace

    def trace(frame: FrameType, *_: object) -> Any:
        return add_one() if frame.f_code is alive.__code__ else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        found = alive(record)
    finally:
        sys.settrace(before)
    assert found[:3] == objects[:3]
    assert len(record) > 3
