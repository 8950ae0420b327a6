"""The loops that make the items of a pass. How fast they are decides what a small item costs.

They keep what they need in local variables, and both contain the same branches: to share these,
each item would need one more call, which costs a fifth of the rest. A loop goes on until nothing is
left to do, something fails, or `Maker.look_up` returns 0.

Python looks for signals where a loop begins again. If the last statement of a loop is an ``if``, or
a ``while`` has a condition, Python 3.12 to 3.14 jump back from outside of the ``try`` around the
loop. What a signal handler raises there would end the worker.
"""

from __future__ import annotations

from time import monotonic_ns

from .._payload.items import Mark
from .._payload.plain import ATOMS, INT_LIMIT
from .._payload.true_parts import is_a
from ..errors import LinkClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .maker import Maker
    from .mapper import Mapper
    from .tasks import Trouble

    Outcome: TypeAlias = "str | Trouble"

LEFT = "left"  # a command waits that ends the pass
OVER = "over"  # the pass has come to its end
TO_GO_ON = "to go on"  # no tasks are left, but more may come; or one failed, and others follow

NOTHING: Any = object()  # stands for an item where there is none (None is an item)
_ATOMS = ATOMS | {Mark}


def make_items(maker: Maker) -> Outcome:  # noqa: C901  a call for a branch would cost more than it
    """Take items from the iterator of the pass."""
    made, outbox, look_up = maker.made, maker.outbox, maker.look_up
    put, entries, copies, rows = outbox.put, outbox.entries, outbox.copies, outbox.rows
    add, atoms, low, high = entries.append, _ATOMS, -INT_LIMIT, INT_LIMIT
    item = nothing = NOTHING
    last, maker.looking = look_up(made) - 1, False
    if last < 0:
        return LEFT
    watched, row, add_row, short = maker.watched, rows.kind, rows.add, outbox.short
    try:
        for item in maker.source(maker.iterator):
            kind = type(item)
            # Integers below 2**29 are compared in a third of the time of others.
            if kind is int and (-(1 << 29) < item < 1 << 29 or low < item < high):
                add(item)
            elif kind is row and add_row(item, entries):
                pass
            elif kind in copies and (nbytes := copies[kind](item, entries)):
                outbox.nbytes += nbytes
                if outbox.nbytes >= outbox.full:
                    last = made
            elif kind in atoms or (kind is str and len(item) < short):
                add(item)
            elif put(item):
                last = made
            # Nothing here may hold an item while user code makes the next one.
            item = nothing  # noqa: PLW2901  after `del`, the handler below would have no `item`
            if watched[0] or made >= last:
                maker.looking = True
                last, maker.looking = look_up(made + 1) - 1, False
                if last < 0:
                    return LEFT
                watched, row, add_row, short = maker.watched, rows.kind, rows.add, outbox.short
            made += 1  # at the end of the loop: see the docstring of this module
    except LinkClosedError:
        raise  # from farside's own code: user code uses no link
    except BaseException as error:
        maker.made = made + maker.looking
        return maker.take_failure(error, item)
    maker.made = made
    return maker.at_end()


def make_results(maker: Maker, mapper: Mapper) -> Outcome:  # noqa: C901, PLR0912  as above
    """Call a function with each input that was given. Each result is an item.

    Taking the results from a generator would double the cost of this loop.
    """
    made, outbox, look_up = maker.made, maker.outbox, maker.look_up
    put, entries, copies, rows = outbox.put, outbox.entries, outbox.copies, outbox.rows
    add, atoms, low, high = entries.append, _ATOMS, -INT_LIMIT, INT_LIMIT
    function, timed, begun = mapper.function, mapper.timed, mapper.begun
    item = nothing = NOTHING
    last, maker.looking = look_up(made) - 1, False
    if last < 0:
        return LEFT
    watched, row, add_row, short = maker.watched, rows.kind, rows.add, outbox.short
    try:
        while True:
            inputs = mapper.next_batch(made)
            if inputs is None:
                break
            load = None if mapper.plain else mapper.load
            for entry in inputs:
                # The time comes first: who reads the new number must not get the time of the input
                # before.
                if timed:
                    begun[1] = monotonic_ns()
                begun[2] = made
                # No variable keeps the input, which may be large.
                item = function(entry) if load is None else function(load(entry))
                kind = type(item)
                if kind is int and (-(1 << 29) < item < 1 << 29 or low < item < high):
                    add(item)
                elif kind is row and add_row(item, entries):
                    pass
                elif kind in copies and (nbytes := copies[kind](item, entries)):
                    outbox.nbytes += nbytes
                    if outbox.nbytes >= outbox.full:
                        last = made
                elif kind in atoms or (kind is str and len(item) < short):
                    add(item)
                elif put(item):
                    last = made
                item = nothing
                if watched[0] or made >= last:
                    maker.looking = True
                    last, maker.looking = look_up(made + 1) - 1, False
                    if last < 0:
                        return LEFT
                    watched, row, add_row, short = maker.watched, rows.kind, rows.add, outbox.short
                made += 1
    except LinkClosedError:
        raise
    except BaseException as error:
        maker.made = made + maker.looking
        called = item is nothing and not maker.looking  # else the result was pickled or sent
        return maker.take_failure(_named(error) if called else error, item)
    maker.made = made
    return maker.at_end()


def _named(error: BaseException) -> BaseException:
    """Return the error of a function, but not StopIteration, which would end the parent's loop."""
    if not is_a(error, StopIteration):
        return error
    named = RuntimeError("function raised StopIteration").with_traceback(error.__traceback__)
    named.__cause__ = error
    return named
