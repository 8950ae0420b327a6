"""What every transport promises: credit. Nothing here knows which transport it runs."""

import pytest

from farside._transport.channel import REVOKED
from tests.transport.background import Background
from tests.transport.channels import Pair


def test_nothing_granted_is_nothing(pair: Pair) -> None:
    assert pair.worker.credit(1, wait=False) == 0


def test_a_grant_is_read(pair: Pair) -> None:
    pair.parent.grant(1, 5)
    assert pair.worker.credit(1, wait=True) == 5
    assert pair.worker.credit(1, wait=False) == 0


def test_the_latest_of_several_grants_counts(pair: Pair) -> None:
    for total in (1, 2, 3):
        pair.parent.grant(1, total)
    assert pair.worker.credit(1, wait=True) == 3


def test_a_waiting_worker_hears_of_a_grant(pair: Pair) -> None:
    waiting = Background(pair.worker.credit, 1, wait=True)
    pair.parent.grant(1, 2)
    assert waiting.result() == 2


def test_grants_of_earlier_passes_are_dropped(pair: Pair) -> None:
    pair.parent.grant(1, 50)
    pair.parent.grant(2, 3)
    assert pair.worker.credit(2, wait=True) == 3


def test_grants_of_earlier_passes_do_not_end_the_wait(pair: Pair) -> None:
    waiting = Background(pair.worker.credit, 2, wait=True)
    pair.parent.grant(1, 50)
    pair.parent.grant(2, 4)
    assert waiting.result() == 4


def test_revoked_credit_ends_the_wait(pair: Pair) -> None:
    waiting = Background(pair.worker.credit, 1, wait=True)
    pair.parent.grant(1, REVOKED)
    assert waiting.result() == REVOKED


@pytest.mark.parametrize("wait", [True, False])
def test_revoked_credit_stays_revoked(pair: Pair, wait: bool) -> None:  # noqa: FBT001
    pair.parent.grant(1, 3)
    pair.parent.grant(1, REVOKED)
    assert pair.worker.credit(1, wait=wait) == REVOKED
    assert pair.worker.credit(1, wait=wait) == REVOKED


def test_revoking_one_pass_leaves_the_next_alone(pair: Pair) -> None:
    pair.parent.grant(1, REVOKED)
    pair.parent.grant(2, 1)
    assert pair.worker.credit(2, wait=True) == 1


def test_a_pass_that_was_superseded_unread_is_revoked_too(pair: Pair) -> None:
    pair.parent.grant(2, REVOKED)
    assert pair.worker.credit(1, wait=True) == REVOKED


@pytest.mark.parametrize("wait", [True, False])
def test_a_parent_that_is_gone_revokes(pair: Pair, wait: bool) -> None:  # noqa: FBT001
    pair.parent.close()
    assert pair.worker.credit(1, wait=wait) == REVOKED


def test_a_waiting_worker_hears_that_the_parent_is_gone(pair: Pair) -> None:
    waiting = Background(pair.worker.credit, 1, wait=True)
    pair.parent.close()
    assert waiting.result() == REVOKED


def test_granting_to_a_worker_that_is_gone_is_no_error(pair: Pair) -> None:
    pair.end_worker()
    pair.parent.grant(1, 1)
    pair.parent.grant(1, REVOKED)


def test_many_passes_never_fill_the_stream(pair: Pair) -> None:
    """As long as the worker reads at the beginning of each pass, as `execute_iterable` does."""
    for epoch in range(1, 3001):
        pair.worker.credit(epoch, wait=False)
        for total in range(1, 9):
            pair.parent.grant(epoch, total)
        pair.parent.grant(epoch, REVOKED)


def test_a_worker_that_reads_nothing_never_hinders_the_parent(pair: Pair) -> None:
    """It may be in one long ``next()`` while its parent begins and leaves many passes."""
    for epoch in range(1, 10_001):
        pair.parent.grant(epoch, REVOKED)
    assert pair.worker.credit(1, wait=True) == REVOKED
