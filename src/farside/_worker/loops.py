"""The loops that make the items of a pass: what a small item costs the worker.

What they need is in local variables, and their branches make no calls but for items that are large
or rare. So the same branches stand in both: a call for each item would cost a fifth of the rest.
Each goes on until there is nothing left to do, something fails, or `Maker.look_up` says that it is
enough.

Where a loop begins again, Python looks for signals. If its last statement is an ``if``, or a
``while`` has a condition, Python 3.12 to 3.14 jump back from outside of the ``try`` around it, and
what a signal handler raises there would end the worker.
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
    add, short, atoms, low, high = entries.append, outbox.short, _ATOMS, -INT_LIMIT, INT_LIMIT
    item = nothing = NOTHING
    last, maker.looking = look_up(made) - 1, False
    if last < 0:
        return LEFT
    watched, row, add_row = maker.watched, rows.kind, rows.add
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
            # User code must not find its item still held while it makes the next.
            item = nothing  # noqa: PLW2901  `del` would leave none to look into after a failure
            if watched[0] or made >= last:
                maker.looking = True
                last, maker.looking = look_up(made + 1) - 1, False
                if last < 0:
                    return LEFT
                watched, row, add_row = maker.watched, rows.kind, rows.add
            made += 1  # at the end: see above
    except LinkClosedError:
        raise  # of farside's own: user code knows no link
    except BaseException as error:
        maker.made = made + maker.looking
        return maker.take_failure(error, item)
    maker.made = made
    return maker.at_end()


def make_results(maker: Maker, mapper: Mapper) -> Outcome:  # noqa: C901, PLR0912  as above
    """Call a function with the inputs that were given: each result is an item.

    To take them from a generator would cost as much again as all that this loop does.
    """
    made, outbox, look_up = maker.made, maker.outbox, maker.look_up
    put, entries, copies, rows = outbox.put, outbox.entries, outbox.copies, outbox.rows
    add, short, atoms, low, high = entries.append, outbox.short, _ATOMS, -INT_LIMIT, INT_LIMIT
    function, timed, begun = mapper.function, mapper.timed, mapper.begun
    item = nothing = NOTHING
    last, maker.looking = look_up(made) - 1, False
    if last < 0:
        return LEFT
    watched, row, add_row = maker.watched, rows.kind, rows.add
    try:
        while True:
            inputs = mapper.next_batch(made)
            if inputs is None:
                break
            load = None if mapper.plain else mapper.load
            for entry in inputs:
                # First: who reads the number must not find the time of an earlier input.
                if timed:
                    begun[1] = monotonic_ns()
                begun[2] = made
                # No variable has the input: it may be large.
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
                    watched, row, add_row = maker.watched, rows.kind, rows.add
                made += 1
    except LinkClosedError:
        raise
    except BaseException as error:
        maker.made = made + maker.looking
        called = item is nothing and not maker.looking  # else its result was pickled, or all sent
        return maker.take_failure(_named(error) if called else error, item)
    maker.made = made
    return maker.at_end()


def _named(error: BaseException) -> BaseException:
    """Return the error of a function: StopIteration would end a loop of the parent's."""
    if not is_a(error, StopIteration):
        return error
    named = RuntimeError("function raised StopIteration").with_traceback(error.__traceback__)
    named.__cause__ = error
    return named
