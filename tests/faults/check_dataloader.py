"""Datasets of PyTorch that use farside inside a worker of a DataLoader.

Run by ``tox run -e torch``, which has PyTorch.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.jobs import Numbers

data = pytest.importorskip("torch.utils.data")
# Nothing is trained in the worker of a DataLoader, which inherits what becomes of warnings.
pytestmark = pytest.mark.filterwarnings("ignore:PyTorch cannot train:farside.FarsideWarning")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind


class Inside(data.IterableDataset):  # type: ignore[misc,name-defined]
    """Iterates over a worker of its own, which it opens in the worker of the DataLoader."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __iter__(self) -> Iterator[int]:
        with self.kind.start(partial(Numbers, 20)) as numbers:
            yield from numbers


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_dataset_that_has_a_worker(kind: Kind, method: str) -> None:
    if kind.name == "forkserver" and method == "fork":
        return  # a forked process cannot use that of its parent
    loader: Any = data.DataLoader(
        Inside(kind), batch_size=5, num_workers=1, multiprocessing_context=method
    )
    for _ in range(2):
        assert [number for batch in loader for number in batch.tolist()] == list(range(20))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_loop_that_is_left_early(kind: Kind, method: str) -> None:
    if kind.name == "forkserver" and method == "fork":
        return
    loader: Any = data.DataLoader(
        Inside(kind), batch_size=5, num_workers=1, multiprocessing_context=method
    )
    for batch in loader:
        assert batch.tolist() == [0, 1, 2, 3, 4]
        break
