"""Large contents as objects, with a dictionary in the place of Ray's store."""

from __future__ import annotations

import gc
import time
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from farside._backends.ray.link import CallLink
from farside._backends.ray.messages import Reply, Words
from farside._backends.ray.objects import OBJECT_BYTES, Objects, with_contents
from farside._backends.ray.worker_link import REPLY_BYTES, ActorLink
from farside._payload.decoder import decode
from farside._payload.encoder import Encoder
from farside._payload.items import Stored, pack, unpack
from farside._protocol.credit import Window
from farside._worker.outbox import Outbox
from farside.errors import LinkClosedError
from farside.testing.checks import Background, receive, until

from .test_link import ThreadCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from farside._link.frames import Frame


class Shelf:
    """Ray's store."""

    def __init__(self) -> None:
        self.contents: dict[int, list[bytes]] = {}
        self._numbers = count()

    def put(self, contents: list[Any]) -> int:
        number = next(self._numbers)
        self.contents[number] = [bytes(each) for each in contents]
        return number


class ObjectCalls(ThreadCalls):
    """Calls that bring objects too."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        super().__init__()
        self.fetching = ThreadPoolExecutor(2)
        self.lent = 0  # how many frames have brought their contents, or had none

    def make_worker(self) -> ActorLink:
        self.objects = Objects(self.shelf.put)
        return ActorLink(self.objects)

    def pull(self, words: Words) -> Future[Reply] | None:
        called = super().pull(words)
        if called is None:
            return None
        called.add_done_callback(self._count)
        return with_contents(
            called, lambda number: self.fetching.submit(self.shelf.contents.pop, number)
        )

    def _count(self, called: Future[Reply]) -> None:
        self.lent += len([frame for frame in called.result().frames if isinstance(frame[-1], list)])

    def shut_down(self) -> None:
        super().shut_down()
        self.fetching.shutdown()


@pytest.fixture
def calls() -> Iterator[ObjectCalls]:
    made = ObjectCalls()
    yield made
    made.shut_down()


def reply(*frames: tuple[int, int, int, list[Any], Any]) -> Future[Reply]:
    made: Future[Reply] = Future()
    made.set_result(Reply(0, list(frames), None, 0.0, last=False, who=(1, "here")))
    return made


def send(worker: ActorLink, *items: Any) -> None:
    """Send items in one frame."""
    encoder = Encoder(worker.arena)
    parts, refs = pack([encoder.encode(item) for item in items])
    worker.send(1, 1, parts, count=len(items), refs=refs)


def take(link: CallLink, count: int = 1) -> list[tuple[list[Any], list[bool]]]:
    """Receive frames; return the items of each, and of each block whether it can only be read."""
    got: deque[Frame] = deque()
    while len(got) < count:
        receive(link, got)
    found = []
    for frame in got:
        blocks: Any = frame.blocks
        only_read = [block.readonly for block in blocks]
        found.append(([decode(entry, blocks) for entry in unpack(frame).entries], only_read))
    return found


ITEMS = [b"x" * OBJECT_BYTES, b"small", bytearray(b"y" * (OBJECT_BYTES + 1)), b"z" * (1 << 20)]


@pytest.mark.parametrize("read_only", [True, False])
def test_items_cross_with_their_contents(calls: ObjectCalls, *, read_only: bool) -> None:
    link = CallLink(calls, read_only=read_only)
    until(lambda: calls.worker._calls > 0)
    for _ in range(2):
        send(calls.worker, *ITEMS)
        assert take(link) == [(ITEMS, [read_only, read_only])]
    assert calls.lent == 2
    assert not calls.shelf.contents
    link.close()


def test_where_no_call_waits_they_become_objects(calls: ObjectCalls) -> None:
    for _ in range(3):
        send(calls.worker, *ITEMS)
    assert len(calls.shelf.contents) == 3
    link = CallLink(calls)
    assert [items for items, _ in take(link, 3)] == [ITEMS] * 3
    assert not calls.shelf.contents
    link.close()


def test_an_item_may_change_when_it_was_sent(calls: ObjectCalls) -> None:
    link = CallLink(calls, read_only=True)
    item = bytearray(OBJECT_BYTES)
    sent = []
    for number in range(20):
        item[:] = bytes([number]) * OBJECT_BYTES
        send(calls.worker, item)
        item[:] = b"?" * OBJECT_BYTES
        [([copy], _)] = take(link)
        sent.append(copy)
    assert [set(each) for each in sent] == [{number} for number in range(20)]
    link.close()


def test_who_lends_waits_until_it_is_written_or_nobody_wants_it() -> None:
    worker = ActorLink(Objects(Shelf().put))
    worker._calls = 1
    item = bytearray(OBJECT_BYTES)
    sending = Background(send, worker, item)
    until(lambda: len(worker._up) == 1)
    [(*_, contents)] = worker.take().frames
    [taken] = contents
    contents.clear()
    assert sending.thread.is_alive()
    assert bytes(taken).count(bytes(item)) == 1
    del taken
    sending.result()

    worker._calls = 1
    sending = Background(send, worker, item)
    until(lambda: len(worker._up) == 1)
    worker.tell(Words(1, closed=1))
    sending.result()
    assert worker.take().frames == []


def test_who_has_made_a_large_item_sends_it_and_goes_on_when_it_is_written() -> None:
    """Not the flusher: the thread that makes items would go on meanwhile, and change them."""
    worker = ActorLink(Objects(Shelf().put))
    worker._calls = 1
    box = Outbox(worker, Window(None, 1 << 26), 1 << 26)
    box.begin(1)
    box.entries.append(7)
    putting = Background(box.put, bytearray(OBJECT_BYTES))
    until(lambda: len(worker._up) == 2)
    assert not box.entries
    flushing = Background(box.flush)
    none, contents = [frame[-1] for frame in worker.take().frames]
    assert none == []
    assert putting.thread.is_alive()
    assert flushing.thread.is_alive()
    contents.clear()
    assert putting.result()
    flushing.result()


def test_an_item_of_a_pass_that_was_left_is_given_back() -> None:
    worker = ActorLink(Objects(Shelf().put))
    worker._calls = 1
    sending = Background(send, worker, bytearray(OBJECT_BYTES))
    until(lambda: len(worker._up) == 1)
    worker.tell(Words(1, epoch=1))
    assert sending.thread.is_alive()
    worker.tell(Words(2, epoch=1, revoked=1))
    sending.result()
    assert [frame[-1] for frame in worker.take().frames] == [[]]


def test_behind_much_that_waits_it_is_an_object_at_once(calls: ObjectCalls) -> None:
    calls.worker._calls = 1
    calls.worker.send(1, 1, [bytes(REPLY_BYTES)], count=1)
    send(calls.worker, bytearray(OBJECT_BYTES))
    assert len(calls.shelf.contents) == 1


def test_each_reply_brings_the_contents_of_one_frame() -> None:
    worker = ActorLink(Objects(Shelf().put))
    worker._calls = 1
    both = [Background(send, worker, bytes([number]) * OBJECT_BYTES) for number in range(2)]
    until(lambda: len(worker._up) == 2)
    for _ in both:
        [(*_, contents)] = worker.take().frames
        assert len(contents) == 1
        contents.clear()
    for each in both:
        each.result()


def test_an_item_that_is_not_sent_leaves_nothing() -> None:
    objects = Objects(Shelf().put)
    encoder = Encoder(objects)
    stored = encoder.encode(bytes(OBJECT_BYTES))
    assert isinstance(stored, Stored)
    encoder.discard(stored)
    with pytest.raises(KeyError):
        objects.take(stored.refs)


def test_what_the_store_refuses_waits_for_a_call(calls: ObjectCalls) -> None:
    def refuse(_: object) -> None:
        raise MemoryError

    calls.objects._put, calls.objects._full = refuse, (MemoryError,)
    sending = Background(send, calls.worker, *ITEMS)
    link = CallLink(calls)
    assert take(link)[0][0] == ITEMS
    sending.result()
    assert calls.lent == 1
    link.close()
    with pytest.raises(MemoryError):
        Objects(refuse).put([bytes(OBJECT_BYTES)])


def test_a_reply_comes_when_all_of_its_objects_are_there() -> None:
    fetched: dict[str, Future[list[bytes]]] = {name: Future() for name in "ab"}
    made = with_contents(
        reply((1, 1, 2, [], "a"), (1, 1, 0, [b"body"], [b"c"]), (1, 1, 1, [], "b")),
        fetched.__getitem__,
    )
    for name in "ba":
        assert not made.done()
        fetched[name].set_result([name.encode(), b"x"])
    assert [list(frame[-1]) for frame in made.result().frames] == [
        [b"a", b"x"],
        [b"c"],
        [b"b", b"x"],
    ]


def test_a_reply_without_objects_waits_for_nothing() -> None:
    assert with_contents(reply((1, 1, 0, [b"x"], [])), lambda _: Future()).done()


def test_a_reply_may_have_any_number_of_objects() -> None:
    """Each callback that called the next would be too deep for Python, and nobody would know."""
    there: Future[list[bytes]] = Future()
    there.set_result([b"x"])
    made = with_contents(reply(*[(1, 1, 1, [], "a")] * 2000), lambda _: there)
    assert len(made.result(0).frames) == 2000


@pytest.mark.parametrize("late", [False, True])
def test_an_object_that_is_lost_fails_the_reply(*, late: bool) -> None:
    lost: Future[bytes] = Future()

    def fetch(_: object) -> Future[bytes]:
        if not late:
            raise OSError("lost")
        return lost

    made = with_contents(reply((1, 1, 1, [], "a")), fetch)
    if late:
        lost.set_exception(OSError("lost"))
    with pytest.raises(OSError, match="lost"):
        made.result(0)


def test_a_call_that_fails_fails_the_reply() -> None:
    called: Future[Reply] = Future()
    made = with_contents(called, lambda _: Future())
    called.set_exception(OSError("dead"))
    with pytest.raises(OSError, match="dead"):
        made.result(0)


def test_no_future_is_kept_by_its_own_callbacks() -> None:
    part: Future[list[bytes]] = Future()
    called = reply((1, 1, 1, [], "a"))
    made = with_contents(called, {"a": part}.__getitem__)
    part.set_result([b"contents"])
    kept = [weakref.ref(each) for each in (part, called, made)]
    gc.disable()
    try:
        assert made.result().frames[0][-1] == [b"contents"]
        del part, called, made
        assert [each() for each in kept] == [None, None, None]
    finally:
        gc.enable()


def test_replies_that_come_after_one_that_was_lost_end_the_wait(calls: ObjectCalls) -> None:
    """Also those that the actor had made before it heard of that."""
    link = CallLink(calls)
    lost, *others = link._pulls  # of the threads, which have nothing to bring yet
    late: Future[Reply] = Future()
    failed: Future[Reply] = Future()
    link._pulls[:] = [failed, late]
    late.add_done_callback(partial(link._arrive, 0.0))
    failed.set_exception(MemoryError())
    got: deque[Frame] = deque()
    assert not link.read(got)
    assert isinstance(link.failure, MemoryError)
    late.set_result(Reply(1, [(1, 1, 1, [b"x"], ())], None, 0.0, False, (1, "here")))
    with pytest.raises(LinkClosedError):
        receive(link, got, 10)
    assert not got
    link.close()
    del lost, others


def test_a_reply_that_cannot_be_had_lets_the_other_calls_go(calls: ObjectCalls) -> None:
    for _ in range(2):
        send(calls.worker, bytes(OBJECT_BYTES))
    calls.shelf.contents.pop(0)  # it is lost
    link = CallLink(calls)
    got: deque[Frame] = deque()
    begin = time.monotonic()
    for _ in range(10):
        try:
            receive(link, got)
        except LinkClosedError:
            break
    assert not got
    assert time.monotonic() - begin < 10
    assert isinstance(link.failure, KeyError)
    link.close()
