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
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from .._system.monkey_patches import patched
from .._system.signals import start_thread
from .._worker.threads import daemon_threads_allowed
from .deadline import When
from .one_pass import OVER, SPOILT, Pass
from .passes.read_ahead import ReadAhead, leave_all

if TYPE_CHECKING:
    from .client import Client

Prepare: TypeAlias = "Callable[[Any], Any] | None"

MOST = 500
"""The most items that may be taken ahead. Deliveries remember so many more places of the loop."""


def begun_in_thread(this: Pass, prepare: Prepare, most: int) -> Generator[Any, None, None]:
    """Let a thread take the items of a pass; return a generator that gives them to the loop."""
    if (library := patched("thread")) is not None:
        raise RuntimeError(
            f"{library} has replaced threads, so none can take items beside the loop; iterate "
            "without in_thread"
        )
    ahead = this.delivery.ahead = ReadAhead(most, _wake(this.client))
    results = _give(this, ahead)
    thread = threading.Thread(
        target=copy_context().run,  # so the user's code finds the context variables of the loop
        args=(_run, this, ahead, prepare),
        name="farside-read-ahead",
        daemon=_may_be_daemon(),  # an exit must not wait for the inputs of a map
    )
    try:
        next(results)
        start_thread(thread)
    except BaseException:
        ahead.over = thread.ident is None
        results.close()  # if the thread begins nevertheless, it does nothing
        raise
    return results


def _wake(client: Client) -> Callable[[], object]:
    """Return what lets threads that wait for the workers look again."""

    def wake() -> None:
        if not client.unheard:
            client.waiting.wake()
            client.waiting.wake_others()

    return wake


def _may_be_daemon() -> bool:
    global _leaves_all  # noqa: PLW0603  an interpreter has one list of such functions
    if daemon_threads_allowed():
        return True
    if not _leaves_all:  # a subinterpreter waits for its threads as it ends
        threading._register_atexit(leave_all)  # type: ignore[attr-defined]  # noqa: SLF001
        _leaves_all = True
    return False


_leaves_all = False


def _run(this: Pass, ahead: ReadAhead, prepare: Prepare) -> None:
    """Take the items, in the thread."""
    try:
        # The thread of a pass that was left may still be in the user's code, which serves one.
        with this.client.taking:
            ahead.whole = _take(this, ahead, prepare)
    except BaseException as error:
        if not this.client.unheard:  # else it may be what ends a daemon thread
            ahead.errors.append(error)
    finally:
        ahead.end()
        if ahead.left:
            this.delivery.release()
            ahead.drop()


def _take(this: Pass, ahead: ReadAhead, prepare: Prepare) -> bool:
    """Take the items as there is room for them; return whether that were all."""
    wanted = When(lambda: ahead.left or this.ready(), this.workers)
    items = None
    if not (ahead.left or this.delivery.without_tasks):
        items = this.step()
    while items is not OVER:
        if items is None:
            this.client.wait(wanted)
        else:
            rest, items = iter(items), None  # the frame of an error must not keep its latest item
            while _has_room(this, ahead) and ahead.take(rest, prepare):
                pass
            del rest
        if ahead.left or this.delivery.cleared:
            return False
        items = this.step()
    return ahead.failed is None


def _has_room(this: Pass, ahead: ReadAhead) -> bool:
    """Wait until there is room for an item; return False if no more can be given."""
    while not (ahead.left or this.delivery.cleared):
        if ahead.has_room():
            return True
    return False


def _give(this: Pass, ahead: ReadAhead) -> Generator[Any, None, None]:
    """Yield what the thread has taken. The first ``next()`` yields None, as in `iterate_results`.

    Items that were taken before a failure come before the error.
    """
    client, epoch, waits = this.client, this.epoch, this.client.counters.waits
    leave = _leave  # the global is gone if Python closes this generator at its exit
    try:
        yield None
        while True:
            over = ahead.over  # first: so all that was taken is waiting
            client.check_home()
            ahead.ask()
            core = client.core
            if core.epoch != epoch or core.closed:
                break  # at once: the thread may be in the middle of the user's inputs
            if ahead.waiting:
                try:
                    yield from ahead.give()
                except IndexError:
                    if not this.delivery.cleared:  # else the item was dropped just now
                        raise
            elif over:
                break
            else:
                waits.begin()
                try:
                    ahead.wait()
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
        if ahead.failed is not None:
            this.fail(ahead.failed)
    this.tell_end()


def _raise(this: Pass, ahead: ReadAhead) -> NoReturn:
    """Raise what the thread has raised."""
    try:
        raise ahead.errors[0]
    except SPOILT as error:
        # Only now: a loop that is left before such an item does not lose its workers.
        if not ahead.of_user:
            this.spoilt(error)
        raise
    finally:
        ahead.errors.clear()  # else the error would refer to itself, through its frames


def _leave(this: Pass, ahead: ReadAhead) -> None:
    ahead.leave()  # first: either the thread sees that, or this sees that the thread is over
    this.leave()
    ahead.drop()
