"""Unpickles the items that workers have sent, one by one as the loop asks for them."""

from __future__ import annotations

from pickle import loads
from typing import TYPE_CHECKING, Any

from .._payload.decoder import decode
from .._payload.one_line import one_line
from ..errors import NotPicklableError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Generator

    from .one_pass import Pass
    from .queues import Source


def decode_each(this: Pass, entries: list[Any], sources: Any) -> Generator[Any, None, None]:
    """Yield the items of a block, until the pass is left. Each entry is removed as it is taken.

    They come in reverse order, and so do their sources: see `Block`.
    """
    several, source = type(sources) is list, sources
    members, queues, epoch = this.client.members, this.delivery.queues, this.epoch
    while entries:
        try:
            entry = entries[-1]
            if several:
                source = sources[-1]
        except IndexError:  # another thread has left the pass since
            return
        try:
            # A pickle needs no other call: this is what a small item costs.
            if type(entry) is bytes:
                item = loads(entry)
            else:
                item = entry if source.plain else decode(entry, source.blocks)
        except Exception as error:
            told = _not_here(this, source, error)
            if told is error:
                raise
            raise told from error
        if source.each:
            queue = queues[source.index]
            queue.taken = queue.told = taken = queue.taken + 1
            members[source.index].acknowledge(epoch, taken - queue.before)
        del entry
        try:
            # Not before, and without a call: no signal handler can come in between, so whoever
            # asks for the state finds the item either here or in the loop.
            del entries[-1]
            if several:
                del sources[-1]
        except IndexError:
            return
        yield item
        del item  # the user alone decides how long it lives


def _not_here(this: Pass, source: Source, error: Exception) -> Exception:
    if isinstance(error, ProtocolError):
        return error
    missing = isinstance(error, (ImportError, AttributeError))
    name = this.client.members[source.index].name
    index = this.delivery.first + this.delivery.delivered
    return NotPicklableError(
        f"the item of index {index} came from the {name} and does not unpickle here "
        f"({one_line(error)})"
        + ("; make what it refers to importable in the parent" if missing else ""),
        item_index=index,
    )
