"""What a worker runs in a pass: one iterable, shards, or inputs of a map."""

from __future__ import annotations

from .._named_tuple import NamedTuple
from ..errors import ReplayDivergedError
from .iterables import begun_once, check_iterable, may_begin_again
from .passing import pass_over
from .snapshots import continue_from, has_state, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._payload.worker_info import Task


class Trouble(NamedTuple):
    """An exception of user code, or of pickling what it has made."""

    error: BaseException
    stage: str
    item: int | None  # its index, if there is one
    culprit: str | None = None  # which part of an item, or of a result, does not pickle


class Tasks:
    """Runs the tasks of a worker. If ``fn`` makes an iterable, the worker puts it into `Whole`."""

    made: Any = None  # what ``setup`` or ``fn`` has made, if any: `RemoteIterable.call` reaches it
    origin = "setup"  # which of the two it was
    number = 0  # of the pass
    stage = "next"  # what user code is doing, for the error that it may raise
    pickle_stage = "pickle"  # that of an item that does not pickle
    out_of_tasks = False  # whether the iterator has ended for want of tasks alone; more may come
    first: int | None = None  # how many items come before those made here; None: they have no index
    calls = False  # whether a function makes an item of each input (`loops.make_results`)
    timed = False  # whether the parent has to know since when a task runs (`run_clock`)
    one_by_one = False  # whether each item is sent before the next is begun
    goes_on = False  # whether the next pass continues where an earlier one was left
    replaceable = False  # whether a worker of another backend may do the whole pass again
    begun: Any  # the words of `control.BEGUN`
    skips: Any = None  # counts the items that are made again

    def named(self) -> list[tuple[str, Any]]:
        """Return what the user has given, each with its name, for messages."""
        return []

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:
        """Begin a pass by its plan; return an iterator of items, with a `Mark` after each shard."""
        raise NotImplementedError

    def add(self, tasks: Any) -> None:
        """Add further tasks, after which it is not `out_of_tasks`."""
        raise NotImplementedError

    def take_back(self) -> list[Any]:
        """Take back the tasks that were not begun, and return them. Any thread may call this."""
        return []

    def items_left(self) -> Iterator[Any]:
        """Return an iterator of the items of the tasks left, or added since it had none."""
        raise NotImplementedError

    def failed_alone(self, made: int) -> int | None:  # noqa: ARG002  most have no use for it
        """Return the index of the task that has failed, after `made` items; None: the pass fails.

        After that, `items_left` returns an iterator of the items of later tasks.
        """
        return None

    def run_clock(self, on: bool) -> None:  # noqa: FBT001  it starts or stops
        """Record that the task continues (`on`), or that no task runs for a while."""

    def leave(self, made: int = 0) -> None:
        """Close what the pass has open, after `made` items."""

    def finish(self, made: int) -> bool:  # noqa: ARG002  most have no use for it
        """Record the end of a pass of `made` items; tell whether an earlier one used up all."""
        return False

    def to_snapshot(self, made: int) -> tuple[int, int, Any] | None:  # noqa: ARG002  as above
        """Return a shard, how many of its items were made, and the object that has its state.

        If there are several, it returns another one each time; None if there is none. It is called
        between two items, after this worker has made `made` of them in the pass.
        """
        return None

    def where(self) -> Task | tuple[()]:
        """Return the task that user code is running; an empty tuple if there is only one task."""
        return ()


class Whole(Tasks):
    """The only task of a worker whose ``fn`` has made an iterable: iterate on it in each pass."""

    origin = "fn"

    def __init__(self, made: Any) -> None:
        self.made = check_iterable(made)
        self._itself = False  # whether the iterable was its own iterator, in the latest pass
        self._one_shot = False  # whether it was, and cannot begin again
        self._used_up = False
        self._left = False  # whether a pass was left after some of its items
        self._stateful: Any = None  # the iterator, if it has a state
        self.first: int = 0

    @property
    def goes_on(self) -> bool:  # type: ignore[override]  # nobody sets it
        return self._one_shot and self._left and not self._used_up

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:  # noqa: ARG002  see `Tasks`
        self.stage = "iter"
        iterator: Iterator[Any] = iter(self.made)
        self._itself = iterator is self.made
        goes_on = self._one_shot  # whether an earlier pass of this worker used this very iterator
        self._one_shot = self._itself and not may_begin_again(type(iterator))
        holder = iterator if has_state(iterator) else None
        self.first = 0
        if plan:
            self.first, anchors, kept, used = plan
            kept = None if holder is None else kept
            if kept is None and self._one_shot and (self.first if goes_on else used):
                raise ReplayDivergedError(
                    "the iterable cannot go on in a later pass, since fn returned a one-shot "
                    "iterator; return something that can be iterated again and again, such as an "
                    "object whose __iter__ makes a new iterator"
                )
            self.skips.expect(self.first - (kept[0] if kept else 0))
            iterator, holder = self._continue(iterator, kept, anchors)
        self._stateful = holder
        self.stage = "next"
        return begun_once(iterator)

    def _continue(
        self, iterator: Iterator[Any], kept: tuple[int, bytes] | None, anchors: Any
    ) -> tuple[Iterator[Any], Any]:
        """Pass over the items that were read before, from a state if there is one."""
        first = [iterator]

        def begin(state: bytes | None) -> tuple[Iterator[Any], Any]:
            self.stage = "iter"
            opened = first.pop() if first else iter(self.made)
            if state is not None:
                self.stage = "load_state_dict"
                load(opened, state)
            self.stage = "next"
            return opened, opened if has_state(opened) else None

        if kept is None or not self._itself:
            return continue_from(begin, kept, self.first, anchors, self.skips)
        opened = begin(kept[1])  # no second try: nothing makes the iterable anew
        pass_over(iterator, self.first, anchors, self.skips, begun=kept[0])
        return opened

    def leave(self, made: int = 0) -> None:
        self._left = self._left or made > 0
        self._stateful = None

    def finish(self, made: int) -> bool:
        empty_again = self._itself and self._used_up and not made
        self._used_up = self._used_up or self._itself
        self._stateful = None
        return empty_again

    def to_snapshot(self, made: int) -> tuple[int, int, Any] | None:
        holder = self._stateful
        return None if holder is None else (0, self.first + made, holder)
