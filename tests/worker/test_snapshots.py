"""States of what the user iterates on, as they are taken and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from farside._worker.snapshots import Snapshots
from farside.errors import LinkClosedError

if TYPE_CHECKING:
    from farside._protocol.progress import Snapshot


class Stateful:
    """Something that has a state."""

    def state_dict(self) -> dict[str, int]:
        return {"at": 3}


def test_a_parent_that_is_gone_is_no_failure_of_the_state() -> None:
    def tell(snapshot: Snapshot) -> None:
        raise LinkClosedError(str(snapshot.item))

    said: list[str] = []
    snapshots = Snapshots(tell, lambda text, **_: said.append(text))
    for _ in range(2):
        with pytest.raises(LinkClosedError, match="3"):
            snapshots.take((0, 3, Stateful()))
    assert not said
