"""The loop over the items of a pass.

The helpers bear the names of the protocol's description: `enter_iteration_mode`, `drain`,
`iterate_results`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeVar

from .._protocol.group import GroupCore
from .._protocol.parent_machine import ParentState
from .client import Client
from .deadline import When
from .one_pass import OVER, SPOILT, Pass
from .passes.delivery import Delivery

T = TypeVar("T")


def enter_iteration_mode(client: Client, owner: object = None, *, awaits: bool = False) -> Pass:
    """Begin a pass: send STOP_ITERATION if one is open, then START_ITERATION.

    This does not wait for the worker: the loop does, for its first item. ``awaits`` tells whether
    the loop can await the inputs of a map. Raise IterableClosedError if there is no worker any
    more, and RuntimeError in a signal handler that interrupts a step.
    """
    client.check_home()
    client.check_not_stepping()
    client.sequence.check(client.core.epoch)

    begun: list[int] = []
    given_up = False

    def begin(core: GroupCore) -> Delivery | None:
        if core.over or given_up:
            return None
        client.sequence.awaits = awaits
        delivery, plans = client.sequence.begin(core.epoch)
        counted = client.counters.next(core, delivery)
        delivery.members = client.members
        begun.append(core.start(plans, delivery))
        # Last: if a signal handler raises before this, the earlier pass continues.
        client.used_before, client.delivery = client.used, delivery
        client.counters.latest = counted
        client.sequence.begun(delivery)
        return delivery

    try:
        delivery = client.step(begin)
        if delivery is None:
            client.check_open()
        assert delivery is not None
        return Pass(client, begun[0], delivery, owner)
    except BaseException:  # such as KeyboardInterrupt: nobody gets the pass
        given_up = True
        if begun:
            client.post(partial(GroupCore.stop, epoch=begun[-1]))
        raise


def begin_loop(
    client: Client, owner: object, make: Callable[[Pass], T], *, awaits: bool = False
) -> T:
    """Begin a pass, and return what `make` makes of it: an iterator that stops it when dropped."""
    this = enter_iteration_mode(client, owner, awaits=awaits)
    try:
        return make(this)
    except BaseException:  # of a signal handler
        this.leave()
        raise


def begun_results(this: Pass) -> Generator[Any, None, None]:
    """Return a generator of the items of a pass. Closing or dropping it stops the pass."""
    results = iterate_results(this)
    next(results)
    return results


def drain(this: Pass) -> None:
    """Discard what earlier passes left, until ITERATION_STARTED of this pass has arrived.

    A loop does so too, while it waits for its first item. This waits for no item.
    """

    def holds() -> bool:
        states = [each.state for each in this.client.core.workers]
        return this.ready() or states == [ParentState.ITERATION] * len(states)

    this.client.wait(When(holds))


def iterate_results(this: Pass) -> Generator[Any, None, None]:
    """Yield the items of a pass.

    The first ``next()`` only yields None: from then on, closing or dropping the generator stops the
    pass. Raise FarsideError if the pass fails, is superseded, or all is closed, and
    NotPicklableError if an item does not unpickle here.
    """
    spoilt = SPOILT  # the global is gone if Python closes this generator at its exit
    over, waits = OVER, this.client.counters.waits
    try:
        yield None
        this.client.check_home()
        # Items have hardly ever arrived yet, but workers may have to be given tasks.
        items = None if this.delivery.without_tasks else this.step()
        while True:  # a condition here would let Python 3.13 skip the `finally`, as in `steps`
            if items is over:
                return
            if items is not None:
                yield from items
            else:
                waits.begin()
                try:
                    this.client.wait(this)
                finally:
                    waits.end()
            items = this.step()
    except spoilt as error:
        this.spoilt(error)
        raise
    finally:
        try:
            this.leave()
        except BaseException:  # of a signal handler: nothing else would leave the pass
            this.leave()
            raise
