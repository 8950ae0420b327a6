"""What was read from a worker, and is taken in later."""

from __future__ import annotations

from farside._parent import closing
from farside._parent.member import Member
from farside._parent.received import take_in
from farside._parent.results import enter_iteration_mode
from tests.parent import scripted
from tests.parent.scripted import items, started


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
