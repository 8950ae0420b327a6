"""Stats: what is made of the figures, and the counting, without a process."""

from __future__ import annotations

import dataclasses
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from farside import PassSupersededError, Stats
from farside._parent.results import enter_iteration_mode
from farside._parent.stats import collect, size_text
from tests.parent import scripted
from tests.parent.scripted import finished, items, iterate, started

if TYPE_CHECKING:
    from farside._parent.client import Client


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


@pytest.mark.parametrize(
    ("parent", "worker", "transfer", "bottleneck"),
    [
        (9, 9, 7, "transfer"),  # each waits for what is on its way
        (9, 0, 3, "worker"),
        (9, 0, 4.9, "worker"),
        (5, 0, 4.5, "balanced"),  # the loop is as long at work
        (3, 8, 2, "parent"),
        (6, 6, 4.5, "balanced"),
    ],
)
def test_bottleneck_on_the_way(
    parent: float, worker: float, transfer: float, bottleneck: str
) -> None:
    stats = Stats(
        elapsed_seconds=10,
        parent_wait_seconds=parent,
        worker_wait_seconds=worker,
        transfer_seconds=transfer,
    )
    assert stats.bottleneck == bottleneck


def test_nothing_has_happened() -> None:
    assert Stats().bottleneck == "balanced"
    assert "0 items (0 B) in 0 passes, 0.0 ms, 0 items/s" in str(Stats())


def test_one_of_each() -> None:
    text = str(Stats(items=1, passes=1, buffered_items=1, buffer_size=1, copies=1))
    assert "1 item (0 B) in 1 pass, " in text
    assert "buffer: 1 item and 0 B wait; limit: 1 item" in text
    assert "; 1 copy\n" in text


def test_no_limit() -> None:
    assert "wait; limit: none\n" in str(Stats(buffer_size=-1))
    assert "wait; limit: buffer_bytes\n" in str(Stats())


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


def test_text_of_sizes() -> None:
    sizes = [999, 1000, 1023 << 10, 1000 << 20, 2000 << 30]
    assert [*map(size_text, sizes)] == ["999 B", "0.977 KiB", "0.999 MiB", "0.977 GiB", "2e+03 GiB"]


def test_text_of_the_way() -> None:
    text = str(Stats(elapsed_seconds=4, parent_wait_seconds=3, transfer_seconds=2.5))
    assert (
        "bottleneck: transfer (the parent waited 3.00 s, 75% (of it for the way: 2.50 s, 62%), "
        in text
    )


def test_what_a_pass_counts() -> None:
    client, link = scripted.client()
    frame = items(1, "a", "b", "c")
    link.then(started(1), frame)
    results = iterate(client)
    this = results.gi_frame.f_locals["this"]
    client.wait(this)
    inbox = client.core.workers[0].inbox
    delivery = client.delivery
    assert delivery is not None
    assert (inbox.waiting, delivery.delivered, inbox.nbytes) == (3, 0, len(frame.body))
    results.close()
    assert (inbox.waiting, delivery.delivered) == (0, 0)
    seconds = collect(client).elapsed_seconds
    assert 0 < seconds == collect(client).elapsed_seconds
    this.leave()  # as where an iterator of `async for` is closed after its end
    assert seconds == collect(client).elapsed_seconds


def test_a_pass_begins_before_the_worker_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    client, link = scripted.client()
    heard: list[float] = []
    link.on_send = lambda *_: heard.append(monotonic())
    begun = monotonic()
    this = enter_iteration_mode(client)
    [moment] = heard
    monkeypatch.setattr("farside._parent.counters.monotonic", lambda: moment)
    assert 0 <= collect(client).elapsed_seconds <= moment - begun
    this.leave()


@pytest.mark.parametrize("options", [{}, {"buffer_size": 2}])
@pytest.mark.parametrize("values", [(0, 1, 2), ("x" * 300, [], {})], ids=["atoms", "pickles"])
def test_every_item_is_counted_when_it_is_taken(
    options: dict[str, int], values: tuple[object, ...]
) -> None:
    client, _ = scripted.client(started(1), items(1, *values), **options)
    results = iterate(client)
    assert counted(client) == (0, 0)
    for number in (1, 2, 3):
        next(results)
        assert counted(client) == (number, 3 - number)
    results.close()
    assert counted(client) == (3, 0)


def test_what_was_left_in_the_buffer_is_not_counted() -> None:
    client, link = scripted.client()
    for epoch in (1, 2):
        link.then(started(epoch), items(epoch, 1, 2, 3))
        link.then(items(epoch, 4), finished(epoch))
        results = iterate(client)
        next(results)
        results.close()
        assert counted(client) == (epoch, 0)
        assert collect(client).passes == epoch


def test_what_is_taken_as_another_thread_begins_a_pass_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, _ = scripted.client(started(1), items(1, 1, 2, 3))
    results = iterate(client)
    taken, begin = [next(results)], client.sequence.begin

    def begin_late(begun: int) -> Any:
        begins = begin(begun)
        taken.append(next(results))  # as any thread may: for what has come, it needs no lock
        return begins

    monkeypatch.setattr(client.sequence, "begin", begin_late)
    this = enter_iteration_mode(client)
    assert (taken, counted(client)) == ([1, 2], (2, 0))
    with pytest.raises(PassSupersededError):
        next(results)
    this.leave()


def counted(client: Client) -> tuple[int, int]:
    stats = collect(client)
    return stats.items, stats.buffered_items
