"""Every transport keeps the contract that farside.testing publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from farside.testing import LinkContract, LinkPair

if TYPE_CHECKING:
    from tests.link.links import Make


class TestEveryTransport(LinkContract):
    @pytest.fixture(autouse=True)
    def _choose(self, make: Make) -> None:
        self._make = make

    def make(self) -> LinkPair:
        return self._make()
