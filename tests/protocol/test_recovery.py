"""What follows when a worker has ended before its time."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from farside._protocol.effects import (
    BROKEN,
    CLOSED,
    DIED,
    FAILED,
    NO_FALLBACK,
    REFUSED,
    RETIRED,
    TIMED_OUT,
    Ending,
)
from farside._protocol.recovery import may_hand_over, may_restart, without_fallback


class Failure(NamedTuple):
    """What a worker tells of a failure, as far as it matters here."""

    refused: tuple[str, ...] = ()
    refused_module: str | None = None


SWALLOWED = Failure(("module",))
CERTAIN = Failure(("module",), "module")


@pytest.mark.parametrize("failure", [SWALLOWED, CERTAIN])
def test_another_backend_takes_over_after_a_refusal(failure: Failure) -> None:
    assert may_hand_over(Ending(FAILED, detail=failure), used=False)


@pytest.mark.parametrize("failure", [SWALLOWED, CERTAIN])
def test_no_other_backend_takes_over_where_the_user_has_got_something(failure: Failure) -> None:
    assert not may_hand_over(Ending(FAILED, detail=failure), used=True)


def test_no_other_backend_takes_over_after_a_failure_of_user_code() -> None:
    assert not may_hand_over(Ending(FAILED, detail=Failure()), used=False)


@pytest.mark.parametrize("cause", [DIED, TIMED_OUT, REFUSED, BROKEN, CLOSED])
def test_no_other_backend_takes_over_after_what_is_no_failure(cause: str) -> None:
    assert not may_hand_over(Ending(cause, detail=CERTAIN), used=False)


def test_only_a_refusal_that_is_the_failure_is_told_as_one() -> None:
    assert without_fallback(Ending(FAILED, detail=CERTAIN)) == Ending(NO_FALLBACK, detail=CERTAIN)
    swallowed = Ending(FAILED, detail=SWALLOWED)
    assert without_fallback(swallowed) is swallowed


@pytest.mark.parametrize("cause", [DIED, TIMED_OUT, RETIRED])
@pytest.mark.parametrize(
    ("left", "again", "initialized", "may"),
    [
        (1, False, True, True),
        (1, False, False, True),
        (1, True, True, True),
        (1, True, False, False),
        (0, False, True, False),
        (0, True, True, False),
        (5, True, False, False),
    ],
)
def test_a_worker_is_started_again(
    cause: str, left: int, *, again: bool, initialized: bool, may: bool
) -> None:
    assert may_restart(Ending(cause), left, again=again, initialized=initialized) is may


@pytest.mark.parametrize("cause", [FAILED, REFUSED, BROKEN, CLOSED, NO_FALLBACK])
def test_what_has_failed_for_a_reason_is_not_started_again(cause: str) -> None:
    assert not may_restart(Ending(cause), 5, again=False, initialized=True)
