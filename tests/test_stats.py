"""Stats: what is made of the figures, and the counting, without a process."""

from __future__ import annotations

import dataclasses
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from farside import Stats
from farside._pass import Pass
from farside._passes import enter_iteration_mode, iterate_results
from farside._protocol.messages import Status
from farside._stats import collect
from tests import scripted
from tests.scripted import items, status

if TYPE_CHECKING:
    from farside._session import Session


@pytest.mark.parametrize(
    ("parent", "worker", "bottleneck"),
    [
        (9, 0, "worker"),
        (0, 9, "parent"),
        (0, 0, "balanced"),
        (5, 5, "balanced"),
        (5, 4, "balanced"),
        (5, 3.9, "worker"),
        (3.9, 5, "parent"),
    ],
)
def test_bottleneck(parent: float, worker: float, bottleneck: str) -> None:
    stats = Stats(elapsed_seconds=10, parent_wait_seconds=parent, worker_wait_seconds=worker)
    assert stats.bottleneck == bottleneck


def test_nothing_has_happened() -> None:
    assert Stats().bottleneck == "balanced"
    assert "0 items (0 B) in 0 passes, 0.0 ms, 0 items/s" in str(Stats())


def test_one_of_each() -> None:
    text = str(Stats(items=1, passes=1, buffered_items=1, buffer_size=1, copies=1))
    assert "1 item (0 B) in 1 pass, " in text
    assert "buffer: 1 item and 0 B wait; limit: 1 item" in text
    assert "; 1 copy\n" in text


def test_they_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Stats().items = 1  # type: ignore[misc]


def test_text() -> None:
    stats = Stats(
        items=1000,
        bytes=3 << 20,
        passes=2,
        elapsed_seconds=4,
        parent_wait_seconds=3,
        worker_wait_seconds=0.001,
        startup_seconds=0.0205,
        buffered_items=3,
        buffered_bytes=1536,
        buffer_size=8,
        arena_bytes_used=5 << 30,
        arena_bytes_peak=6 << 30,
        copies=7,
    )
    assert str(stats).splitlines() == [
        "1000 items (3 MiB) in 2 passes, 4.00 s, 250 items/s",
        "bottleneck: worker (the parent waited 3.00 s, 75%, the worker 1.0 ms, 0%)",
        "buffer: 3 items and 1.5 KiB wait; limit: 8 items",
        "arena: 5 GiB used, 6 GiB at most; 7 copies",
        "start: 20.5 ms",
    ]


def test_what_a_pass_counts() -> None:
    this = Pass(1, monotonic())
    frame = items(1, "a", "b", "c")
    this.arrive(frame)
    assert (this.waiting, this.delivered, this.nbytes) == (3, 0, len(frame.body))
    this.cancel(RuntimeError())
    assert (this.waiting, this.delivered) == (0, 0)
    seconds = this.seconds
    assert seconds == this.seconds


def test_a_pass_begins_before_the_worker_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    session, channel = scripted.session()
    heard: list[float] = []
    monkeypatch.setattr(channel, "send", lambda *_: heard.append(monotonic()))
    this = enter_iteration_mode(session)
    assert len(heard) == 1
    assert this.began <= heard[0]


@pytest.mark.parametrize("options", [{}, {"buffer_size": 2}])
@pytest.mark.parametrize("values", [(0, 1, 2), ("x" * 300, [], {})], ids=["atoms", "pickles"])
def test_every_item_is_counted_when_it_is_taken(
    options: dict[str, int], values: tuple[object, ...]
) -> None:
    session, channel = scripted.session(**options)
    channel.script += [status(Status.ITERATION_STARTED, 1), items(1, *values)]
    results = iterate_results(session, enter_iteration_mode(session), lambda _: None)
    next(results)
    assert counted(session) == (0, 0)
    for number in (1, 2, 3):
        next(results)
        assert counted(session) == (number, 3 - number)
    results.close()
    assert counted(session) == (3, 0)


def test_what_was_left_in_the_buffer_is_not_counted() -> None:
    session, channel = scripted.session()
    for epoch in (1, 2):
        channel.script += [status(Status.ITERATION_STARTED, epoch), items(epoch, 1, 2, 3)]
        channel.script += [items(epoch, 4), status(Status.ITERATION_FINISHED, epoch)]
        results = iterate_results(session, enter_iteration_mode(session), lambda _: None)
        next(results)
        next(results)
        results.close()
        assert counted(session) == (epoch, 0)
        assert collect(session, None).passes == epoch


def counted(session: Session) -> tuple[int, int]:
    stats = collect(session, None)
    return stats.items, stats.buffered_items
