"""What the fuzzers check, with the same few hundred inputs in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farside._link import frames
from tests.fuzz import fuzz_arena, fuzz_blocks, fuzz_frames, fuzz_parent
from tests.fuzz.source import Source
from tests.steady import STEADY

if TYPE_CHECKING:
    from collections.abc import Callable


TARGETS: list[Any] = [fuzz_arena, fuzz_blocks, fuzz_frames, fuzz_parent]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__.rpartition("_")[2])
def test_nothing_is_found(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_GROWTH", frames._GROWTH)  # the targets make it smaller
    sources = st.binary(max_size=300).map(Source)
    run: Callable[[], None] = settings(STEADY, max_examples=300)(given(sources)(target.check))
    run()
