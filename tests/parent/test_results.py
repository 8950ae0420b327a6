"""A pass that begins, and ends, where a signal handler raises."""

from __future__ import annotations

import sys
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.async_results import AsyncResults
from farside._parent.results import begin_loop, begun_results
from farside._protocol.group import GroupCore
from tests.faults.interrupting import strike_at
from tests.parent import scripted
from tests.parent.scripted import items, started

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._parent.client import Client


def begin(client: Client, held: list[Any]) -> None:
    held.append(begin_loop(client, None, begun_results))


def begin_and_close(client: Client, held: list[Any]) -> None:
    begin(client, held)
    held[0].close()


def begin_async(client: Client, held: list[Any]) -> None:
    held.append(begin_loop(client, None, AsyncResults, awaits=True))


# There, what a profiler raises as a generator goes on ends that without its `finally`.
from_312 = pytest.mark.skipif(sys.version_info < (3, 12), reason="no signal comes in like that")


@pytest.mark.parametrize(
    "work", [begin, pytest.param(begin_and_close, marks=from_312), begin_async]
)
def test_no_pass_stays_open_that_nobody_can_leave(
    work: Callable[[Client, list[Any]], None],
) -> None:
    """Else a state could not be loaded after Ctrl-C, nor a method be called."""
    for place in count(1):
        client, _ = scripted.client(started(1), items(1, "a"))
        held: list[Any] = []
        struck = strike_at(place, partial(work, client, held))
        held.clear()
        assert not client.step(lambda core: core.opened), place
        if not struck.reached:
            break
        assert struck.raised
    client.step(GroupCore.close)
