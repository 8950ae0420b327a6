"""What a worker runs in a pass if that is more than one iterable: shards, or inputs of a map."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._payload.worker_info import Task


class Tasks:
    """Runs tasks: the base of what ``fn`` makes in such a worker.

    Attributes:
        made: what ``setup`` has made, if there is one: `RemoteIterable.call` reaches it.
        stage: what user code is run for just now, for the error that it may raise.
        pickle_stage: what an item is that does not pickle.
        hungry: whether the iterator has ended only because it has no tasks left; more may come.
        keeps_failures: whether a failure of user code belongs to its task alone: then `go_on`
            returns what yields the items of the tasks after it.
        one_by_one: whether each item is sent before the next is begun.
        skips: counts the items that are made again.
        begun: words of shared memory, for the task that is begun and for the time; None if there
            are none.
    """

    made: Any = None
    stage = "next"
    pickle_stage = "pickle"
    hungry = False
    keeps_failures = one_by_one = False
    begun: Any = None
    skips: Any = None

    def named(self) -> list[tuple[str, Any]]:
        """Return what the user has given, each by its name, for messages."""
        return []

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:
        """Begin a pass.

        Args:
            plan: what the parent has told.
            epoch: the epoch of the pass.
            seed: the seed of the iterable.

        Returns:
            What yields the items, and a `Mark` after each shard.
        """
        raise NotImplementedError

    def add(self, tasks: Any) -> None:
        """Take further tasks; it is not hungry then."""
        raise NotImplementedError

    def go_on(self) -> Iterator[Any]:
        """Return what yields the items of the tasks that have come since it was hungry."""
        raise NotImplementedError

    def run_clock(self, on: bool) -> None:  # noqa: FBT001  it starts or stops
        """Take in that no task runs for a while, or that it goes on."""

    def leave(self) -> None:
        """Let go of what the pass has open."""

    def to_snapshot(self) -> tuple[int, int, Any] | None:
        """Return a shard, how many of its items were made, and what has its state.

        Of several, another one each time; None if there is none. It is asked between two items.
        """
        return None

    def where(self) -> Task:
        """Tell which task user code runs for just now."""
        raise NotImplementedError
