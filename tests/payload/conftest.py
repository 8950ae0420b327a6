"""Ways for the items of the tests of this folder."""

from collections.abc import Iterator

import pytest

from farside._payload import reducers
from tests.payload.ways import WAYS, Way


@pytest.fixture(autouse=True)
def _reducers_as_in_a_new_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reducers, "_of_items", None)
    yield
    reducers.of_users.clear()


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """Each way that an item can go."""
    made = Way(request.param)
    yield made
    made.close()


@pytest.fixture
def roomy() -> Iterator[Way]:
    made = Way(1 << 24)
    yield made
    made.close()
