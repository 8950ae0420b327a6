"""Every transport keeps the contract that farside.testing publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from farside.testing import ChannelContract, ChannelPair

if TYPE_CHECKING:
    from tests.transport.channels import Make


class TestEveryTransport(ChannelContract):
    @pytest.fixture(autouse=True)
    def _choose(self, make: Make) -> None:
        self._make = make

    def make(self) -> ChannelPair:
        return self._make()
