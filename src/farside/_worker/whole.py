"""The one task of a worker whose ``fn`` has made one iterable for all passes."""

from __future__ import annotations

from ..errors import ReplayDivergedError
from .iterables import begun_once, check_iterable, may_begin_again
from .passing import pass_over
from .snapshots import has_state, load
from .tasks import Tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Whole(Tasks):
    """Iterates on an iterable, anew in each pass."""

    origin = "fn"

    def __init__(self, made: Any) -> None:
        self.made = check_iterable(made)
        self._itself = False  # whether the iterable was its own iterator, in the latest pass
        self._one_shot = False  # whether it was, and cannot begin again
        self._used_up = False
        self._left = False  # a pass, after some of its items
        self._stateful: Any = None  # the iterator, if it has a state
        self._read = 0  # how many items were read before those that it makes

    @property
    def first(self) -> int:  # type: ignore[override]  # nobody sets it
        return self._read

    @property
    def goes_on(self) -> bool:  # type: ignore[override]  # nobody sets it
        return self._one_shot and self._left and not self._used_up

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:  # noqa: ARG002  see `Tasks`
        self.stage = "iter"
        iterator: Iterator[Any] = iter(self.made)
        used = epoch > 0 or self._one_shot  # by a pass of this worker, or of one before it
        self._itself = iterator is self.made
        goes_on = self._one_shot  # whether a pass of this worker has left this very iterator
        self._one_shot = self._itself and not may_begin_again(type(iterator))
        self._stateful = iterator if has_state(iterator) else None
        self._read = 0
        if plan:
            self._read, anchors, kept = plan
            begun = 0
            if kept is not None and self._stateful is not None:
                begun, state = kept
                self.stage = "load_state_dict"
                load(iterator, state)
                self.stage = "iter"
            elif self._one_shot and used and (self._read or not goes_on):
                raise ReplayDivergedError(
                    "the iterable cannot go on in a later pass, since fn returned a one-shot "
                    "iterator; return something that can be iterated again and again, such as an "
                    "object whose __iter__ makes a new iterator"
                )
            self.skips.expect(self._read - begun)
            pass_over(iterator, self._read, anchors, self.skips, begun=begun)
        self.stage = "next"
        return begun_once(iterator)

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
        return None if holder is None else (0, self._read + made, holder)
