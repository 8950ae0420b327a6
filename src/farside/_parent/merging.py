"""States of the ranks of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._protocol import loop_state

if TYPE_CHECKING:
    from collections.abc import Sequence


def merge_states(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make one state of those of all ranks of a job.

    Each rank saves its own state. The merged one can be loaded in jobs with another number of
    ranks: each item that no rank was given comes once, in one of the new ranks.

    Args:
        states: what `RemoteIterable.state_dict` has returned in each rank, all in the same epoch.

    Raises:
        TypeError, ValueError: one is no state, one is missing, or they are not of one job.

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
