"""Large contents in Ray's store, from which the parent reads them.

Ray writes the result of a call into its store, and large buffers in it straight from the memory of
the item. Until that is done, the item must not change, so the thread that has made it waits
(`Lent`). If no call waits for frames, `ray.put` makes an object of the contents at once, and a
later reply refers to it. The parent waits for the object, which Ray may have to bring from another
machine, before it takes the reply.
"""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Any

from ..._memory.parts import Part, Ref
from .messages import Reply

OBJECT_BYTES = 1 << 22  # contents from this size on are written from where they lie, others copied


class Lent:
    """Large contents that lie in an item, until Ray has written them into its store."""

    def __init__(self, contents: Sequence[Part]) -> None:
        views = [memoryview(each).cast("B") for each in contents]
        self._buffers = [pickle.PickleBuffer(view) for view in views]
        self._released: SimpleQueue[object] = SimpleQueue()  # a finalizer may put into it
        # Whoever reads a buffer holds its view, and Ray releases both when it has written.
        self._watches = [weakref.ref(view, self._released.put) for view in views]

    def give(self) -> list[pickle.PickleBuffer]:
        """Return the contents, once."""
        buffers, self._buffers = self._buffers, []
        return buffers

    def wait(self) -> None:
        """Wait until nobody holds the contents any more: they are written, or not wanted."""
        for _ in self._watches:
            self._released.get()


class Objects:
    """Takes the place of an arena in the worker's link: contents stay where they are."""

    allocations = None  # user code gets no memory here
    lends = True

    def __init__(self, put: Callable[[Any], Any], full: tuple[type[Exception], ...] = ()) -> None:
        self._put = put  # makes an object of a list of contents, and returns a reference to it
        self._full = full  # the errors that it raises if there is no room
        self._contents: dict[Ref, Part] = {}
        self._numbers = count()

    def store(self, parts: Sequence[Part], nbytes: int) -> Ref | None:
        """Register contents, which stay where they are. None: they go in the frame itself."""
        if nbytes < OBJECT_BYTES:
            return None
        ref = Ref(next(self._numbers), 0, nbytes)
        self._contents[ref] = parts[0] if len(parts) == 1 else b"".join(parts)
        return ref

    def free(self, ref: Ref) -> None:
        """Forget contents that will not be sent."""
        del self._contents[ref]

    def take(self, refs: Sequence[Ref]) -> list[Part]:
        """Remove and return contents that are sent now."""
        return [self._contents.pop(ref) for ref in refs]

    def put(self, contents: Sequence[Part]) -> Any:
        """Make an object of contents; None: there is no room."""
        try:
            return self._put([pickle.PickleBuffer(each) for each in contents])
        except self._full:
            return None

    def settle(self) -> None:
        """Do nothing: this is for an arena."""


def with_contents(called: Future[Reply], fetch: Callable[[Any], Future[Any]]) -> Future[Reply]:
    """Return a future of a reply in which contents have replaced the references to objects.

    A future keeps its callbacks. So none of them may refer to the future itself: that cycle would
    hold memory until Python collects garbage.
    """
    made: Future[Reply] = Future()

    def fetch_objects(called: Future[Reply]) -> None:
        try:
            reply = called.result()
            contents = [frame[-1] for frame in reply.frames]
            fetched = [None if isinstance(each, list) else fetch(each) for each in contents]
        except BaseException as error:
            made.set_exception(error)
            return
        waited_for = [each for each in fetched if each is not None]
        _when_done(waited_for, partial(_finish, made, reply, fetched))

    called.add_done_callback(fetch_objects)
    return made


def _when_done(futures: list[Future[Any]], finish: Callable[[], None], _: object = None) -> None:
    """Call `finish` once all futures are done, in the thread that completes the last one."""
    while futures:
        future = futures.pop()
        if not future.done():  # else the callback would run at once, a call deeper for each
            future.add_done_callback(partial(_when_done, futures, finish))
            return
    finish()


def _finish(made: Future[Reply], reply: Reply, fetched: list[Future[Any] | None]) -> None:
    try:
        contents = [
            _views(frame[-1] if each is None else each.result())
            for frame, each in zip(reply.frames, fetched, strict=True)
        ]
    except BaseException as error:
        made.set_exception(error)
        return
    finally:
        fetched.clear()
    pairs = zip(reply.frames, contents, strict=True)
    made.set_result(reply._replace(frames=[(*frame[:-1], found) for frame, found in pairs]))


def _views(contents: Sequence[Any]) -> list[memoryview]:
    return [memoryview(each).cast("B") for each in contents]
