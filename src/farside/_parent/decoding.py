"""Unpickles the items that workers have sent, one by one as the loop asks for them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from pickle import loads
from typing import TYPE_CHECKING, Any

from .._in_c import FREE_THREADED
from .._payload import handlers
from .._payload.decoder import decode
from .._payload.one_line import one_line
from .._payload.true_parts import is_a
from ..errors import ProtocolError
from .passes.queues import Source

if TYPE_CHECKING:
    from .one_pass import Pass
    from .passes.delivery import Delivery


def until_cleared(delivery: Delivery, items: Iterable[Any]) -> Generator[Any, None, None]:
    """Yield the items of a block until the pass is left. Without a GIL, `clear` cannot empty it."""
    for item in () if delivery.cleared else items:
        yield item
        if delivery.cleared:
            return


def decode_each(this: Pass, entries: list[Any], sources: Any) -> Generator[Any, None, None]:
    """Yield the items of a block, until the pass is left. Each entry is removed as it is taken."""
    # The entries are in reverse order, and so are their sources: each is taken from the end.
    several, source = type(sources) is list, sources
    members, queues, epoch = this.client.members, this.delivery.queues, this.epoch
    while entries and not (FREE_THREADED and this.delivery.cleared):
        try:
            entry = entries[-1]
            if several:
                source = sources[-1]
        except IndexError:  # another thread has left the pass since
            return
        try:
            # A pickle needs no other call: this is what a small item costs.
            if type(entry) is bytes and not source.plain:
                item = loads(entry)
            else:
                item = entry if source.plain else decode(entry, source.blocks)
        except Exception as error:
            got = _not_here(this, source, error)
            if not got:
                _leave_out(this, source, entries, sources)
                continue
            item = got.pop()
        if source.each:
            queue = queues[source.index]
            queue.taken = taken = queue.taken + 1
            members[source.index].acknowledge(epoch, taken - queue.before)
            queue.acknowledged = taken  # last, as in `Pass.acknowledge_queue`
        del entry
        try:
            if several:
                del sources[-1]
            # This comes last, with no call or jump before the `yield` (Python 3.10 looks for
            # signals at jumps too). So no signal handler can come in between, and one that asks for
            # the state finds the item either here or in the loop.
            del entries[-1]
        except IndexError:
            return
        yield item
        del item  # the user alone decides how long it lives


def _leave_out(this: Pass, source: Source, entries: list[Any], sources: Any) -> None:
    """Remove the next entry, for which the loop gets nothing."""
    had = this.delivery.delivered
    if source.each:
        queue = this.delivery.queues[source.index]
        queue.taken += 1
        this.acknowledge_queue(queue)
    with suppress(IndexError):  # another thread has left the pass since
        del entries[-1]
        this.delivery.left_out.append(had)
        if type(sources) is list:
            del sources[-1]


def _not_here(this: Pass, source: Source, error: Exception) -> list[Any]:
    """Return what the loop gets for an item that does not unpickle, or raise the error."""
    if is_a(error, ProtocolError) or handlers.raised(error):
        raise error
    missing = is_a(error, ImportError, AttributeError)
    name = this.client.members[source.index].name
    cure = "; make what it refers to importable in the parent" if missing else ""
    why = f"came from the {name} and does not unpickle here ({one_line(error)}){cure}"
    return this.delivery.not_here(why, error)
