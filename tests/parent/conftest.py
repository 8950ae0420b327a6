"""Fixtures: a client that stands in, and one worker of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from farside._parent import deadline, received, wait
from tests.background import SECONDS

from .group import Group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._link.worker_base import WorkerLink
    from farside._parent.member import Member


@pytest.fixture
def group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    monkeypatch.setattr(deadline, "begin_to_wait", lambda *_: None)
    monkeypatch.setattr(deadline, "time_passes", lambda client, end: client.time_passes(end))
    monkeypatch.setattr(received, "take_in", lambda client, member: client.take_in(member))
    monkeypatch.setattr(received, "awaits_first_item", lambda *_: False)
    made = Group()
    yield made
    made.close()
    request.node.funcargs.clear()  # before 3.13 a mapping has a descriptor


@pytest.fixture
def one(group: Group) -> tuple[Member, WorkerLink]:
    return group.add()


@pytest.fixture
def _for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look by himself after a second: what wakes him is the thing to test."""
    monkeypatch.setattr(wait, "LONGEST_SECONDS", SECONDS)
