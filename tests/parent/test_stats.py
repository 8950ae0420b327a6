"""Stats: what is made of the figures, and the counting, without a process."""

from __future__ import annotations

import dataclasses
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from farside import PassSupersededError, Stats
from farside._link.base import Gauges
from farside._link.frames import Frame
from farside._parent import starting
from farside._parent.client import Client
from farside._parent.options import check
from farside._parent.results import enter_iteration_mode
from farside._parent.stats import collect, size_text
from farside._protocol.progress import Skipped
from tests.parent import scripted
from tests.parent.scripted import finished, items, iterate, started


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
        (7, 9.5, 5, "parent"),  # the worker waits for the loop nearly as long
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
    assert "buffer: 1 item here, 0 B here or on their way; limit: 1 item" in text
    assert "; 1 copy\n" in text


def test_no_limit() -> None:
    assert "way; limit: none\n" in str(Stats(buffer_size=-1))
    assert "way; limit: buffer_bytes\n" in str(Stats())


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
        "buffer: 3 items here, 1.5 KiB here or on their way; limit: 8 items",
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


@pytest.mark.parametrize(
    ("startup", "passes", "end"),
    [(5, 1, ", longer than all passes: keep the worker"), (5, 0, ""), (4, 1, ""), (3, 1, "")],
)
def test_text_of_a_start_that_takes_long(startup: float, passes: int, end: str) -> None:
    text = str(Stats(passes=passes, elapsed_seconds=4, startup_seconds=startup))
    assert text.endswith(f"\nstart: {startup}.00 s{end}")


def test_text_of_items_that_are_dropped() -> None:
    text = str(Stats(skipped_items=3, skip_seconds=1.5, items_to_skip=7))
    assert text.endswith("\nskipped: 3 items in 1.50 s, 2 items/s; 7 left")
    assert str(Stats(skipped_items=1)).endswith("\nskipped: 1 item in 0.0 ms, 0 items/s; 0 left")


def test_text_of_workers() -> None:
    one, other = Stats(name="one", worker_wait_seconds=2), Stats(name="other")
    assert str(Stats(workers=(one,))).endswith("\n1 worker")
    stats = Stats(workers=(one, other), restarts=1, failed_inputs=2)
    assert stats.slowest == "other"
    assert str(stats).endswith("\n2 workers; slowest: the other; 1 restart; 2 failed inputs")
    assert Stats().slowest == ""


def test_text_of_one_of_several_workers() -> None:
    """It has no items, passes and bottleneck, since these figures are not known."""
    one = Stats(name="the one", worker_wait_seconds=2, buffered_items=1, buffered_bytes=1024)
    assert str(one) == (
        "the one: it waited 2.00 s\n"
        "buffer: 1 item here, 1 KiB here or on their way\n"
        "arena: 0 B used, 0 B at most; 0 copies"
    )
    assert str(dataclasses.replace(one, skipped_items=3)).endswith("items/s; 0 left")


def test_the_figures_of_several_workers_are_those_of_all_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = [scripted.ScriptedWorker(scripted.ready()) for _ in range(2)]
    with scripted.launching(*workers):
        client = Client(*[check(list, backend="scripted", buffer_size=7)] * 2)
        starting.start(client)
    monkeypatch.setattr(client.counters, "waits", SimpleNamespace(seconds=lambda: 9.0))
    one, other = client.members
    one.startup_seconds, other.startup_seconds = 2.0, 1.0
    one.link.gauges = lambda: Gauges(4.0, 10, 3, 30, 1, 0.5)
    other.link.gauges = lambda: Gauges(1.0, 20, 4, 40, 2, 0.25)
    for each, skipped in zip(client.core.workers, [(3, 9, 0.5), (4, 5, 2.0)], strict=True):
        each.inbox.skipped = Skipped(*skipped)
    assert collect(client).workers == ()  # the user has asked for one iterable
    client.sequence.several = True
    assert collect(client) == Stats(
        parent_wait_seconds=9.0,
        worker_wait_seconds=2.5,
        transfer_seconds=0.75,
        startup_seconds=2.0,
        buffered_bytes=30,
        buffer_size=7,
        arena_bytes_used=7,
        arena_bytes_peak=70,
        copies=3,
        skipped_items=7,
        items_to_skip=7,
        skip_seconds=2.0,
        workers=(
            Stats(0, 0, 0, 0, 0, 4.0, 0.5, 0, 0, 10, None, 3, 30, 1, 0, 0, 3, 6, 0.5, (), one.name),
            Stats(
                0, 0, 0, 0, 0, 1.0, 0.25, 0, 0, 20, None, 4, 40, 2, 0, 0, 4, 1, 2.0, (), other.name
            ),
        ),
    )


def test_no_more_than_the_loop_has_waited_was_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items of several workers may be on their way at the same time."""
    client, link = scripted.client()
    link.gauges = lambda: Gauges(transfer=0.5)  # type: ignore[method-assign]
    assert collect(client).transfer_seconds == 0
    monkeypatch.setattr(client.counters, "waits", SimpleNamespace(seconds=lambda: 2.0))
    assert collect(client).transfer_seconds == 0.5


def test_a_worker_that_does_not_exist_yet_has_no_figures() -> None:
    with scripted.launching():
        client = Client(check(list, backend="scripted"))
    assert dataclasses.replace(collect(client), buffer_size=None) == Stats()


@pytest.mark.parametrize("arena", [None, "an arena that tells of its blocks"])
def test_contents_that_wait_are_counted_once(arena: Any) -> None:
    client, link = scripted.client()
    link.arena = arena
    this = enter_iteration_mode(client)
    blocks: Any = [SimpleNamespace(nbytes=300)]
    client.core.workers[0].inbox.frames.append(Frame(1, 1, b"12345", 1, blocks))
    assert collect(client).buffered_bytes == (305 if arena is None else 5)
    client.core.workers[0].inbox.frames.clear()
    this.leave()


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
