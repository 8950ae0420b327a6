"""Time that does not pass by itself, and an outbox."""

from collections.abc import Iterator

import pytest

from farside._worker import listener
from tests.background import SECONDS
from tests.worker.boxed import Boxed


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no worker be interrupted for being slow: tests that want it say when."""
    monkeypatch.setattr(listener, "_PATIENCE", (SECONDS,))


@pytest.fixture
def boxed() -> Iterator[Boxed]:
    made = Boxed()
    yield made
    made.close()
