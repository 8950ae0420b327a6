"""Channels for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.transport.channels import TRANSPORTS, Make, Pair


@pytest.fixture(params=list(TRANSPORTS.values()), ids=list(TRANSPORTS))
def make(request: pytest.FixtureRequest) -> Make:
    """Return the factory of each transport."""
    factory: Make = request.param
    return factory


@pytest.fixture
def pair(make: Make) -> Iterator[Pair]:
    """Both sides of a channel, of each transport."""
    made = make()
    yield made
    made.cleanup()
