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
from farside._backends.ray.worker_link import ActorLink
from farside._payload.encoder import Encoder
from farside._payload.items import Stored, decode, pack, unpack
from farside.errors import LinkClosedError
from farside.testing.checks import receive

from .test_link import ThreadCalls

if TYPE_CHECKING:
    import pickle
    from collections.abc import Iterator

    from farside._link.frames import Frame


class Shelf:
    """Ray's store."""

    def __init__(self) -> None:
        self.contents: dict[int, bytes] = {}
        self._numbers = count()

    def put(self, contents: pickle.PickleBuffer) -> int:
        number = next(self._numbers)
        self.contents[number] = bytes(contents)
        return number


class ObjectCalls(ThreadCalls):
    """Calls that bring objects too."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.objects = Objects(self.shelf.put)
        self.worker = ActorLink(self.objects)
        self.fetching = ThreadPoolExecutor(2)

    def pull(self, words: Words) -> Future[Reply] | None:
        called = super().pull(words)
        if called is None:
            return None
        return with_contents(
            called, lambda number: self.fetching.submit(self.shelf.contents.pop, number)
        )

    def shut_down(self) -> None:
        super().shut_down()
        self.fetching.shutdown()


@pytest.fixture
def calls() -> Iterator[ObjectCalls]:
    made = ObjectCalls()
    yield made
    made.shut_down()


def reply(*frames: tuple[int, int, int, list[Any], list[Any]]) -> Future[Reply]:
    made: Future[Reply] = Future()
    made.set_result(Reply(0, list(frames), None, 0.0, last=False, who=(1, "here")))
    return made


def test_items_cross_with_their_objects(calls: ObjectCalls) -> None:
    link, encoder = CallLink(calls), Encoder(calls.worker.arena)
    items = [b"x" * OBJECT_BYTES, b"small", bytearray(b"y" * (OBJECT_BYTES + 1)), b"z" * (1 << 20)]
    parts, refs = pack([encoder.encode(item) for item in items])
    assert len(refs) == 2
    calls.worker.send(1, 1, parts, count=4, refs=refs)
    got: deque[Frame] = deque()
    while not got:
        receive(link, got)
    assert [block.readonly for block in got[0].blocks] == [True, True]
    blocks: Any = got[0].blocks
    assert [decode(entry, blocks) for entry in unpack(got[0]).entries] == items
    assert not calls.shelf.contents
    link.close()


def test_an_item_that_is_not_sent_leaves_no_object() -> None:
    objects = Objects(Shelf().put)
    encoder = Encoder(objects)
    stored = encoder.encode(bytes(OBJECT_BYTES))
    assert isinstance(stored, Stored)
    encoder.discard(stored)
    with pytest.raises(KeyError):
        objects.take(stored.refs)


def test_what_the_store_refuses_goes_with_the_reply() -> None:
    def refuse(_: object) -> None:
        raise MemoryError

    assert Objects(refuse, (MemoryError,)).store([bytes(OBJECT_BYTES)]) is None
    with pytest.raises(MemoryError):
        Objects(refuse).store([bytes(OBJECT_BYTES)])


def test_a_reply_comes_when_all_of_its_objects_are_there() -> None:
    fetched: dict[str, Future[bytes]] = {name: Future() for name in "abc"}
    made = with_contents(
        reply((1, 1, 2, [], ["a", "b"]), (1, 1, 0, [b"body"], []), (1, 1, 1, [], ["c"])),
        fetched.__getitem__,
    )
    for name in "cab":
        assert not made.done()
        fetched[name].set_result(name.encode())
    assert [frame[-1] for frame in made.result().frames] == [[b"a", b"b"], [], [b"c"]]


def test_a_reply_without_objects_waits_for_nothing() -> None:
    assert with_contents(reply((1, 1, 0, [b"x"], [])), lambda _: Future()).done()


@pytest.mark.parametrize("late", [False, True])
def test_an_object_that_is_lost_fails_the_reply(*, late: bool) -> None:
    lost: Future[bytes] = Future()

    def fetch(_: object) -> Future[bytes]:
        if not late:
            raise OSError("lost")
        return lost

    made = with_contents(reply((1, 1, 1, [], ["a"])), fetch)
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
    part: Future[bytes] = Future()
    called = reply((1, 1, 1, [], ["a"]))
    made = with_contents(called, {"a": part}.__getitem__)
    part.set_result(b"contents")
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
    late.set_result(Reply(1, [(1, 1, 1, [b"x"], [])], None, 0.0, False, (1, "here")))
    with pytest.raises(LinkClosedError):
        receive(link, got, 10)
    assert not got
    link.close()
    del lost, others


def test_a_reply_that_cannot_be_had_lets_the_other_calls_go(calls: ObjectCalls) -> None:
    link = CallLink(calls)
    worker, refs = calls.worker, []
    for _ in range(2):
        ref = calls.objects.store([bytes(OBJECT_BYTES)])
        assert ref is not None
        refs.append(ref)
    calls.shelf.contents.pop(0)  # it is lost
    for ref in refs:
        worker.send(1, 1, [b"item"], count=1, refs=[ref])
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
