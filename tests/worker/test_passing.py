"""Items that are made once more, and dropped."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, cast

import pytest

from farside import ReplayDivergedError
from farside._payload.anchors import of_item
from farside._payload.encoder import Encoder
from farside._worker import forward, passing
from farside._worker.forward import Forwarder
from farside._worker.passing import _CHUNK_SECONDS, TELL_SECONDS, Skips, pass_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._link.worker_base import WorkerLink


def uneven() -> Iterator[int]:
    """Yield items that are quick, and then slow."""
    for number in range(20_010):
        if number >= 20_000:
            time.sleep(0.03)
        yield number


def test_how_far_it_is_is_told_soon_also_where_items_become_slow() -> None:
    told: list[tuple[int, float]] = []
    skips = Skips(lambda skipped: told.append((skipped[0], time.monotonic())), repr, lambda: False)
    skips.expect(20_009)
    items = uneven()
    assert skips.drop(items, 20_009) == 20_009
    assert next(items) == 20_009
    slow = [at for done, at in told if done > 20_000]
    assert len(slow) >= 4  # of nine that take 0.27 s, told of each 0.05
    assert told[-1][0] == 20_009
    assert TELL_SECONDS < 0.27 / 4


@pytest.mark.parametrize("count", range(12))
def test_no_item_more_is_dropped_however_long_some_take(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(passing, "monotonic", lambda: next(ticks) * _CHUNK_SECONDS / 4)
    items = iter(range(20))
    assert Skips(repr, repr, lambda: False).drop(items, count) == count
    assert next(items) == count


def test_what_has_fewer_is_dropped_to_its_end() -> None:
    skips = Skips(repr, repr, lambda: False)
    skips.expect(9)
    assert skips.drop(iter(range(5)), 9) == 5


def test_an_item_that_is_compared_is_told_as_others_are() -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(1.5 * TELL_SECONDS)
            yield number

    told: list[int] = []
    skips = Skips(lambda skipped: told.append(skipped[0]), repr, lambda: False)
    skips.expect(9)  # there are other shards
    (digest,) = of_item(0, Encoder(None))
    pass_over(slow(), 1, [(0, digest)], skips)
    assert told == [1]


def test_records_are_heard_again_after_a_way_that_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forwarder = Forwarder(cast("WorkerLink", None), bool)
    monkeypatch.setattr(forward, "current", forwarder)
    muted: list[bool] = []

    def fails() -> Iterator[int]:
        muted.append(forwarder.muted)
        yield 0
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  it has no message
        pass_over(fails(), 2, [], Skips(repr, repr, lambda: False))
    assert muted == [True]
    assert not forwarder.muted


def test_a_signal_handler_that_raises_as_messages_are_muted_leaves_none_muted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[bool] = []

    def struck(*, on: bool) -> None:
        calls.append(on)
        if on:
            raise TimeoutError

    monkeypatch.setattr(forward, "mute", struck)
    with pytest.raises(TimeoutError):
        pass_over(iter(range(3)), 1, (), Skips(repr, repr, lambda: False))
    assert calls == [True, False]


@pytest.mark.parametrize("begun", [None, 0, 2])
def test_a_state_that_was_loaded_may_be_to_blame(begun: int | None) -> None:
    (digest,) = of_item(0, Encoder(None))
    skips = Skips(repr, repr, lambda: False)
    with pytest.raises(ReplayDivergedError) as caught:
        pass_over(iter(range(begun or 0, 9)), 7, [(3, digest)], skips, begun=begun)
    assert ("load_state_dict() loaded" in str(caught.value)) is (begun is not None)


@pytest.mark.parametrize("begun", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("right", [True, False])
def test_the_item_of_an_anchor_is_compared_if_it_is_made_again(begun: int, *, right: bool) -> None:
    skips = Skips(repr, repr, lambda: False)
    items = iter(range(begun, 9))
    (digest,) = of_item(3 if right else 4, Encoder(None))
    (other,) = of_item(5, Encoder(None))
    anchors = [(3, digest), (5, other)]
    if begun > 3 or right:
        pass_over(items, 7, anchors, skips, begun=begun)
        assert [*items] == [7, 8]
    else:
        with pytest.raises(ReplayDivergedError, match=r"index 3 .* it is 3;"):
            pass_over(items, 7, anchors, skips, begun=begun)
