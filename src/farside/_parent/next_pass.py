"""Reports and changes what the next pass is: `state_dict`, `load_state_dict`, `set_epoch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .._protocol import loop_state
from .._system.signals import defer_signals
from .messages_for_people import pass_open

if TYPE_CHECKING:
    from .client import Client

T = TypeVar("T")


def ask(client: Client, question: Callable[[int], T]) -> T:
    """Call `question` with the number of passes begun; return the answer. Any thread may do so."""
    # If another thread has begun or changed a pass meanwhile, the answer may be half of the old
    # and half of the new, so the question is asked again. No lock is held, as it may run user code.
    sequence = client.sequence
    while True:
        begun, stamp = client.core.epoch, sequence.stamp
        answer = question(begun)
        if begun == client.core.epoch and stamp is sequence.stamp:
            return answer


def change(client: Client, method: str, look: Callable[[], Callable[[int], object]]) -> None:
    """Change the next pass: call the function that `look` returns with the number of passes begun.

    `look` may take long, and raises if the change is not possible.
    """
    client.check_home()
    client.check_not_stepping()
    client.check_open()
    if client.step(lambda core: core.opened):
        raise pass_open(method)
    found = look()

    def work() -> None:
        if client.core.opened:  # another thread has begun one since the check above
            raise pass_open(method)
        found(client.core.epoch)

    # With the lock: else another thread might begin a pass in the middle.
    defer_signals(partial(client.change, work))


def merge_states(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge the states of all ranks of a job into one.

    Each rank saves its own state. The merged one can be loaded in jobs with another number of
    ranks: each item that no rank was given comes once, in one of the new ranks.

    Args:
        states: what `RemoteIterable.state_dict` has returned in each rank, all in the same epoch.

    Raises:
        TypeError, ValueError: one of them is no state, one is missing, or they are of several jobs.

    Example:
        >>> from farside import iterate_in_workers, merge_states
        >>> states, seen = [], []
        >>> for rank in range(2):
        ...     rank_of = {"rank": rank, "world_size": 2, "seed": 0}
        ...     with iterate_in_workers(range, [2] * 4, 1, **rank_of) as numbers:
        ...         iterator = iter(numbers)
        ...         seen += [next(iterator), next(iterator)]
        ...         states.append(numbers.state_dict())
        >>> with iterate_in_workers(range, [2] * 4, 1) as numbers:
        ...     numbers.load_state_dict(merge_states(states))
        ...     seen, list(numbers)
        ([0, 0, 0, 0], [1, 1, 1, 1])
    """
    return loop_state.merge(states)
