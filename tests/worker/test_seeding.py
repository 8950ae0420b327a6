"""Which generators are seeded where a library is imported at the same time."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from farside._worker import seeding
from farside.testing.checks import until
from tests.background import Background

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# It has the generator of PyTorch, after a while.
LIBRARY = """
from time import sleep
seeds = []
sleep(0.2)
class default_generator:
    manual_seed = seeds.append
manual_seed = seeds.append
"""


def test_a_library_that_another_thread_just_imports_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(seeding, "_LIBRARIES", {"slow_library": bool})
    monkeypatch.setattr(seeding, "_late", None)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    thread = Background(lambda: import_module("slow_library"))
    try:
        until(lambda: "slow_library" in sys.modules)
        seeding.seed_all(5)
        assert sys.modules["slow_library"].seeds == [5]
    finally:
        thread.result()
        del sys.modules["slow_library"]


def test_a_library_that_is_forbidden_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(seeding, "_late", None)
    for name in seeding._LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)  # so says Python's manual: no import finds it
    with seeding.seeded("text"):
        seeding.seed_all(5)
