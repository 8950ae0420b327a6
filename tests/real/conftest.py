"""The ways of an item, and the workers, for the tests of this folder."""

from __future__ import annotations

import pytest

from tests.kinds import KINDS, Kind
from tests.payload.conftest import _reducers_as_in_a_new_interpreter, way

__all__ = ["_reducers_as_in_a_new_interpreter", "kind", "way"]


@pytest.fixture(params=[each for each in KINDS if each.name != "fork"], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker but the forked one: threads of these libraries do not survive a fork."""
    chosen: Kind = request.param
    return chosen
