"""Time that does not pass by itself."""

import pytest

from farside._worker import listener
from tests.transport.background import SECONDS


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no worker be interrupted for being slow: tests that want it say when."""
    monkeypatch.setattr(listener, "_PATIENCE", (SECONDS,))
