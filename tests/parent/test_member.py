"""What is acknowledged while a worker is being attached: see `Member.attach`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from farside._parent.member import Member


class _Link:
    """Records what it is told; `meanwhile` is called once, in the middle of the first time."""

    arena = None

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []
        self.meanwhile: Any = lambda: None

    def acknowledge(self, epoch: int, total: int) -> None:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.told.append((epoch, total))

    def revoke(self, epoch: int) -> None:
        raise NotImplementedError

    def tell_waiting(self, on: bool) -> None:  # noqa: FBT001
        raise NotImplementedError


@pytest.fixture
def member() -> Member:
    return Member(0, SimpleNamespace(name=None))  # type: ignore[arg-type]


@pytest.fixture
def link() -> _Link:
    return _Link()


def _attach(member: Member, link: _Link) -> None:
    member.attach(SimpleNamespace(link=link, observer=None))  # type: ignore[arg-type]


def test_the_latest_that_was_acknowledged_before_is_told(member: Member, link: _Link) -> None:
    member.acknowledge(1, 2)
    member.acknowledge(1, 3)
    _attach(member, link)
    assert link.told == [(1, 3)]
    member.acknowledge(1, 4)
    assert link.told == [(1, 3), (1, 4)]


def test_what_another_thread_acknowledges_meanwhile_is_told_last(
    member: Member, link: _Link
) -> None:
    member.acknowledge(1, 2)
    link.meanwhile = lambda: member.acknowledge(1, 5)
    _attach(member, link)
    assert link.told[-1] == (1, 5)


def test_what_a_thread_was_just_acknowledging_is_told(member: Member, link: _Link) -> None:
    acknowledge = member.acknowledge  # that thread has looked it up before
    _attach(member, link)
    acknowledge(1, 5)
    assert link.told == [(1, 5)]
