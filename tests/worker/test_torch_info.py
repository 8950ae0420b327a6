"""What PyTorch's ``get_worker_info()`` tells."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from farside._worker import torch_info

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_torch_tells_the_shard_when_it_is_imported_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an iterator does it in its first item. A module of another name stands for that of PyTorch.
    (tmp_path / "late_worker.py").write_text("_worker_info = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch_info, "_MODULE", "late_worker")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(torch_info, "_later", None)
    before = torch_info.told()
    torch_info.tell_torch(lambda: (3, 8, 10))
    waiting = torch_info.told()
    try:
        worker = import_module("late_worker")
        info = worker._worker_info
        assert (info.id, info.num_workers, info.seed) == (3, 8, 5)
        assert torch_info.told() is info is waiting
    finally:
        sys.modules.pop("late_worker", None)
        torch_info.exchange(before)
