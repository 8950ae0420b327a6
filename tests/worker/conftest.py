"""Time that does not pass by itself, a PyTorch that tells nothing afterwards, and an outbox."""

from collections.abc import Iterator

import pytest

from farside._worker import listener, torch_info
from tests.background import SECONDS
from tests.worker.boxed import Boxed


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no worker be interrupted for being slow: tests that want it say when."""
    monkeypatch.setattr(listener, "_PATIENCE", (SECONDS,))


@pytest.fixture(autouse=True)
def _torch_tells_nothing_afterwards() -> Iterator[None]:
    """What reads shards here is in this process, where PyTorch may be imported later."""
    yield
    torch_info.exchange(None)


@pytest.fixture
def boxed() -> Iterator[Boxed]:
    made = Boxed()
    yield made
    made.close()
