"""Large contents as objects of Ray's store, which the parent reads where they lie.

An object is written once, as the item is made, and so it is the snapshot of the item too. What
refers to it goes up in a reply. The parent waits for the object itself, which Ray may have to bring
from another machine, before it takes the reply.
"""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from ..._memory.parts import Ref, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..._memory.parts import Part
    from .messages import Reply

OBJECT_BYTES = 1 << 22
"""Contents of this size and more are objects of their own. It costs some 0.5 ms more to make and to
fetch one than to let it go with the reply."""


class Objects:
    """What the worker's link has in the place of an arena: contents that nobody writes to.

    Args:
        put: makes an object, and returns what refers to it: `ray.put`.
        full: what that raises where there is no room.

    Attributes:
        allocations: None: user code gets no memory here.
    """

    allocations = None

    def __init__(self, put: Callable[[Any], Any], full: tuple[type[Exception], ...] = ()) -> None:
        self._put, self._full = put, full
        self._objects: dict[Ref, Any] = {}
        self._numbers = count()

    def store(self, parts: Sequence[Part]) -> Ref | None:
        """Make an object of some contents; None: they go with the reply."""
        nbytes = size(parts)
        if nbytes < OBJECT_BYTES:
            return None
        contents = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            made = self._put(pickle.PickleBuffer(contents))
        except self._full:  # there may be room when they go with the reply
            return None
        ref = Ref(next(self._numbers), 0, nbytes)
        self._objects[ref] = made
        return ref

    def free(self, ref: Ref) -> None:
        """Let an object go that is not sent."""
        del self._objects[ref]

    def take(self, refs: Sequence[Ref]) -> list[Any]:
        """Return what refers to objects that are sent now."""
        return [self._objects.pop(ref) for ref in refs]

    def claim(self, view: memoryview) -> Ref | None:
        """Return where a view lies, if it is of memory that was given to user code: never."""

    def settle(self) -> None:
        """Do nothing: what an arena does before a status."""


def with_contents(called: Future[Reply], fetch: Callable[[Any], Future[Any]]) -> Future[Reply]:
    """Return a future of a reply that has contents where it had what refers to objects.

    A future keeps its callbacks. So none of them may refer to the future itself, or memory would be
    held until Python looks for cycles.

    Args:
        called: the future of the reply.
        fetch: returns the future of an object.
    """
    made: Future[Reply] = Future()

    def fetch_objects(called: Future[Reply]) -> None:
        try:
            reply = called.result()
            fetched = [[fetch(each) for each in frame[-1]] for frame in reply.frames]
        except BaseException as error:
            made.set_exception(error)
            return
        _when_done(fetched, partial(_finish, made, reply, fetched))

    called.add_done_callback(fetch_objects)
    return made


def _when_done(fetched: list[list[Future[Any]]], finish: Callable[[], None]) -> None:
    """Call a function once all futures are done: in the thread in which the last one is."""
    each = [future for of_frame in fetched for future in of_frame]
    missing, lock = len(each) + 1, threading.Lock()

    def count_down(_: object) -> None:
        nonlocal missing
        with lock:
            missing -= 1
            last = missing == 0
        if last:
            finish()

    for future in each:
        future.add_done_callback(count_down)
    count_down(None)


def _finish(made: Future[Reply], reply: Reply, fetched: list[list[Future[Any]]]) -> None:
    try:
        contents = [[memoryview(each.result()).cast("B") for each in frame] for frame in fetched]
    except BaseException as error:
        made.set_exception(error)
        return
    finally:
        fetched.clear()
    pairs = zip(reply.frames, contents, strict=True)
    made.set_result(reply._replace(frames=[(*frame[:-1], found) for frame, found in pairs]))
