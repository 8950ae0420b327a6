"""Copies of what brings items to the loop, and what makes a difference in it.

The parent has no use for copies of a `Delivery`: so this knows what one is made of. What is not
listed here is shared, which only what is never changed may be.
"""

from __future__ import annotations

from collections import deque
from operator import length_hint
from typing import TYPE_CHECKING, Any

from farside._parent.passes import own_iterators
from farside._parent.passes.assigned_inputs import AssignedInputs
from farside._parent.passes.batches import Batch
from farside._parent.passes.dealt import Dealt
from farside._parent.passes.given_results import GivenResults
from farside._parent.passes.in_turn import InTurn, PastTurns
from farside._parent.passes.mapped import Mapped
from farside._parent.passes.mapped_orders import MappedAsTheyCome, MappedInOrder
from farside._parent.passes.queues import Queue, Source
from farside._parent.passes.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Callable

    from farside._parent.passes.delivery import Delivery

_Memo = dict[int, Any]
_SHARED = {"members", "own", "plan", "snapshots", "anchors", "_size"}


class Numbers:
    """An iterator over the numbers below one, which counts."""

    def __init__(self, end: int, at: int = 0) -> None:
        self.end, self.at = end, at

    def __iter__(self) -> Numbers:
        return self

    def __next__(self) -> int:
        if self.at == self.end:
            raise StopIteration
        self.at += 1
        return self.at - 1


# As many are taken together as there may be, whatever the time is: so the same states are explored.
own_iterators.IN_C |= {Numbers}


def copied(value: Any, memo: _Memo) -> Any:
    """Return a copy of a value, and of all in it that may change.

    Args:
        value: the value.
        memo: what was copied, by its identity: what is one thing stays one.
    """
    copy = _COPIES.get(type(value))
    if copy is None:
        return value
    known = memo.get(id(value))
    return copy(value, memo) if known is None else known


def _list(value: list[Any], memo: _Memo) -> list[Any]:
    made: list[Any] = []
    memo[id(value)] = made
    made.extend([copied(each, memo) if type(each) in _COPIES else each for each in value])
    return made


def _deque(value: deque[Any], memo: _Memo) -> deque[Any]:
    return deque(
        [copied(each, memo) if type(each) in _COPIES else each for each in value], value.maxlen
    )


def _dict(value: dict[Any, Any], memo: _Memo) -> dict[Any, Any]:
    return {key: copied(each, memo) for key, each in value.items()}


def _iterator(value: Any, memo: _Memo) -> Any:
    made: Any = iter(())
    kind, (entries, *_), *at = value.__reduce__()
    if at:
        made = kind(copied(entries, memo))
        made.__setstate__(at[0])
    memo[id(value)] = made
    return made


def _slots(value: Any, memo: _Memo) -> Any:
    made = object.__new__(type(value))
    memo[id(value)] = made
    for name in type(value).__slots__:
        setattr(made, name, copied(getattr(value, name), memo))
    return made


def _delivery(value: Delivery, memo: _Memo) -> Delivery:
    made: Delivery = object.__new__(type(value))
    memo[id(value)] = made
    fields = vars(made)
    for name, each in vars(value).items():
        fields[name] = each if name in _SHARED else copied(each, memo)
    *counts, rest = value.block  # of tuples it is the one that has what changes
    fields["block"] = (*counts, copied(rest, memo))
    if isinstance(made, InTurn):
        made._shares = None, []  # kept so that they need not be found again
    return made


def _past_turns(value: PastTurns, memo: _Memo) -> PastTurns:
    memo[id(value)] = made = PastTurns(value._copies[0][1])
    made._copies = deque([(first, each, [*ends]) for first, each, ends in value._copies])
    return made


def _supply(value: Supply, memo: _Memo) -> Supply:
    made: Supply = object.__new__(Supply)
    memo[id(value)] = made
    vars(made).update(vars(value))
    made._done, made.read = deque(value._done), dict(value.read)
    numbers: Any = value._items
    if isinstance(numbers, Numbers):
        made._items = Numbers(numbers.end, numbers.at)
    return made


def _progress(value: GivenResults, memo: _Memo) -> GivenResults:
    made: GivenResults = object.__new__(GivenResults)
    memo[id(value)] = made
    vars(made).update(vars(value))
    made._steps = copied(value._steps, memo)
    return made


_COPIES: dict[type, Callable[[Any, _Memo], Any]] = {
    list: _list,
    deque: _deque,
    dict: _dict,
    type(iter([])): _iterator,
    Queue: _slots,
    Source: _slots,
    Batch: _slots,
    AssignedInputs: _slots,
    Supply: _supply,
    GivenResults: _progress,
    PastTurns: _past_turns,
    InTurn: _delivery,
    Dealt: _delivery,
    MappedInOrder: _delivery,
    MappedAsTheyCome: _delivery,
}


# What makes a difference ------------------------------------------------------------------------


def frozen(value: Any) -> Any:
    """Return plain values as what can be hashed."""
    if type(value) in {list, tuple, deque}:
        return tuple([frozen(each) for each in value])
    if type(value) is dict:
        return tuple(sorted([(key, frozen(each)) for key, each in value.items()]))
    return value


def key_of(delivery: Delivery) -> tuple[Any, ...]:
    """Return what in a delivery makes a difference to what it will do.

    Where it has been before makes none: that is for `place` alone.
    """
    own: tuple[Any, ...] = ()
    if isinstance(delivery, InTurn):
        now = delivery.front.settled()
        own = now.live, now.heads, now.at, tuple(sorted(now.read.items()))
    elif isinstance(delivery, Dealt):
        own = frozen(
            (delivery._shards, delivery.progress.read, delivery._under_way, delivery._next)
        )
    elif isinstance(delivery, Mapped):
        own = _key_of_mapped(delivery)
    return (
        delivery.over,
        delivery.cleared,
        *own,
        *[_key_of_queue(each) for each in delivery.queues],
    )


def _key_of_queue(queue: Queue) -> tuple[Any, ...]:
    waiting = queue.waiting
    return (
        tuple(queue.entries[queue.at :]),
        tuple([(place - queue.at, failure) for place, failure in queue.marks]),
        queue.taken,
        queue.given,
        queue.acknowledged,
        queue.before,
        waiting and (queue.source.plain, queue.source.each),
    )


def _key_of_mapped(mapped: Mapped) -> tuple[Any, ...]:
    assigned = [
        (
            [(b.first, len(b.entries), b.done, b.skip, b.tries, b.left) for b in each.batches],
            (each.count, each.answered),
        )
        for each in mapped._assigned
    ]
    settled = sorted(mapped._settled)
    supply = mapped._supply
    mine: Any = getattr(mapped, "_order", None) or getattr(mapped, "_next", None)
    values = (
        mapped.front, mapped._numbered, assigned, settled,
        supply.taken, supply.ended, supply.read, mine,
    )  # fmt: skip
    return (mapped.failure is not None, *frozen(values))


def key_of_rest(rest: Any, sources: Any) -> Any:
    """Return what in the rest of a block makes a difference.

    Args:
        rest: see `Delivery.rest`.
        sources: where its entries come from; see `delivery.Block`.
    """
    if type(rest) is list and rest and sources is not None:  # else it was cleared without a GIL
        from_all = sources if type(sources) is list else [sources]
        return tuple(rest), tuple([(each.index, each.each) for each in from_all])
    return length_hint(rest)
