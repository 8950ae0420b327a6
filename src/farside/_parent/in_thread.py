"""A loop whose items a thread takes ahead of it.

The thread steps the pass, as a loop does otherwise: it waits for the workers, reads what they send,
unpickles, and does what the user wants done with each item. The loop's thread only takes the
finished items out of a queue. What the loop was given decides where it is, not what the thread has
taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import Any, NoReturn

from .._system.signals import start_thread
from .._worker.threads import daemon_threads_allowed
from .deadline import When
from .one_pass import OVER, SPOILT, Pass
from .passes.read_ahead import ReadAhead, leave_all
from .wait import LONGEST_SECONDS

MOST = 500
"""The most items that may be taken ahead. The place of the loop is known for the last thousand
items that were taken."""


def begun_in_thread(
    this: Pass, prepare: Callable[[Any], Any] | None, most: int
) -> Generator[Any, None, None]:
    """Let a thread take the items of a pass; return a generator that gives them to the loop."""
    ahead = this.delivery.ahead = ReadAhead(most, prepare)
    results = _give(this, ahead)
    next(results)
    thread = threading.Thread(
        target=copy_context().run,  # so the user's code finds the context variables of the loop
        args=(_run, this, ahead),
        name="farside-read-ahead",
        daemon=_may_be_daemon(),  # an exit must not wait for the user's code in a map's inputs
    )
    start_thread(thread)
    return results


def _may_be_daemon() -> bool:
    global _leaves_all  # noqa: PLW0603  an interpreter has one list of such functions
    if daemon_threads_allowed():
        return True
    if not _leaves_all:  # a subinterpreter waits for its threads as it ends
        _leaves_all = True
        threading._register_atexit(leave_all)  # type: ignore[attr-defined]  # noqa: SLF001
    return False


_leaves_all = False


def _run(this: Pass, ahead: ReadAhead) -> None:
    """Take the items, in the thread."""
    try:
        ahead.whole = _take(this, ahead)
    except BaseException as error:
        if not this.client.unheard:  # else it may be what ends a daemon thread
            ahead.errors.append(error)
    finally:
        ahead.end()
        if ahead.left:
            this.delivery.release()
    # If another thread closes the iterable, the loop may not come back for a long time.
    while ahead.items and not (ahead.left or this.delivery.cleared):
        ahead.wait_for_less(1)
    if ahead.left:
        ahead.drop()
    elif this.delivery.cleared:
        ahead.items.clear()


def _take(this: Pass, ahead: ReadAhead) -> bool:
    """Take the items as there is room for them; return whether that were all."""
    wanted = When(lambda: ahead.left or this.ready(), this.workers)
    items = None if this.delivery.without_tasks else this.step()
    while items is not OVER:
        if items is None:
            this.client.wait(wanted)
        else:
            rest, items = iter(items), None  # the frame of an error must not keep its latest item
            while _has_room(this, ahead) and ahead.take(rest):
                pass
            del rest
        if ahead.left or this.delivery.cleared:
            return False
        items = this.step()
    return not ahead.failed


def _has_room(this: Pass, ahead: ReadAhead) -> bool:
    """Wait until there is room for an item; return False if no more can be given."""
    while not (ahead.left or this.delivery.cleared):
        if len(ahead.items) < ahead.most:
            return True
        ahead.wait_for_less(ahead.most)
    return False


def _give(this: Pass, ahead: ReadAhead) -> Generator[Any, None, None]:
    """Yield what the thread has taken. The first ``next()`` yields None, as in `iterate_results`.

    Items that were taken before a failure come before the error.
    """
    client, epoch, items, held = this.client, this.epoch, ahead.items, list[Any]()
    waits = client.counters.waits
    leave = _leave  # the global is gone if Python closes this generator at its exit
    try:
        yield None
        while True:
            over = ahead.over  # first: so all that was taken is in `items`
            client.check_home()
            core = client.core
            if core.epoch != epoch or core.closed:
                break  # at once: the thread may be in the middle of the user's inputs
            if items:
                try:
                    held.append(items.popleft())
                except IndexError:  # the thread has just dropped them, as the pass was ended
                    continue
                if ahead.thread_waits:
                    ahead.room.ring()
                give = map(list.pop, (held,))  # a variable would keep the item alive
                # As in `decode_each`, no call or jump comes before the item is given, so that a
                # signal handler finds it either here or in the loop.
                ahead.given += 1
                yield from give
            elif over:
                break
            else:
                waits.begin()
                try:
                    # Python can miss a signal that arrives as a wait begins: see `wait`. Also, a
                    # signal handler may fork, and nobody rings in the child.
                    ahead.wait_for_items(LONGEST_SECONDS)
                finally:
                    waits.end()
        _end(this, ahead)
    finally:
        try:
            leave(this, ahead)
        except BaseException:  # of a signal handler: nothing else would leave the pass
            leave(this, ahead)
            raise


def _end(this: Pass, ahead: ReadAhead) -> None:
    """Record that the loop has all items, or raise why it has not."""
    core = this.client.core
    if core.epoch == this.epoch and not core.closed:
        if ahead.errors:
            _raise(this, ahead)
        if ahead.whole:
            this.finish(core)
            return
        if ahead.failed:
            this.step()  # raises why
    this.tell_end()


def _raise(this: Pass, ahead: ReadAhead) -> NoReturn:
    """Raise what the thread has raised."""
    try:
        raise ahead.errors[0]
    except SPOILT as error:
        # Only now: a loop that is left before such an item does not lose its workers.
        this.spoilt(error)
        raise
    finally:
        ahead.errors.clear()  # else the error would refer to itself, through its frames


def _leave(this: Pass, ahead: ReadAhead) -> None:
    this.stop()
    ahead.leave()
    if not this.client.unheard:
        this.client.waiting.wake()  # the thread may be waiting for an item,
        this.client.waiting.wake_others()  # or for another one that does
    if ahead.over:  # else the thread does that, which may be in the middle of the user's inputs
        this.delivery.release()
    ahead.drop()
