"""What was read from a worker, and is taken in later."""

from __future__ import annotations

import pytest

from farside import ProtocolError
from farside._parent import closing
from farside._parent.member import Member
from farside._parent.received import take_in
from farside._parent.results import enter_iteration_mode
from tests.parent import scripted
from tests.parent.scripted import items, ready, started


def test_what_a_worker_has_sent_does_not_count_for_the_one_in_its_place() -> None:
    client, _ = scripted.client()
    enter_iteration_mode(client)
    member = client.members[0]
    member.frames.append(started(1))
    assert take_in(client, member)
    client.members[0] = Member(0, client.options)
    member.frames.append(items(1, "made once more by the other one"))
    assert not take_in(client, member)
    assert client.core.workers[0].inbox.received == 0
    assert not member.frames
    client.members[0] = member
    closing.close(client, kill=False)


def test_items_that_were_read_together_with_the_beginning_are_taken_in() -> None:
    client, _ = scripted.client()
    enter_iteration_mode(client)
    client.members[0].frames.extend([started(1), items(1, "a"), items(1, "b")])
    assert take_in(client, client.members[0])
    assert client.core.workers[0].inbox.received == 2
    closing.close(client, kill=False)


def test_nothing_is_taken_in_after_what_may_not_come() -> None:
    client, _ = scripted.client()
    frames = client.members[0].frames
    frames.extend([started(1), ready()])
    with pytest.raises(ProtocolError):
        take_in(client, client.members[0])
    assert not frames
    closing.close(client, kill=False)
