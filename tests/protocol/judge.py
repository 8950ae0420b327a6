"""What a loop over several workers must get, by a plain loop over the same shards or inputs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from farside._parent.passes.mapped import Mapped
from farside._protocol.order import Sharding, Turns, numbers_of
from tests.simulated import simulate, walk

from .reader import MOST, Inputs, Reader, Shards, items_of
from .side import ViolationError
from .world import World

if TYPE_CHECKING:
    from farside._parent.passes.delivery import Delivery
    from farside._protocol.order import Place


class Judged(World):
    """A world in which what the loop gets is judged.

    Attributes:
        delivery: brings the items of the present pass.
        sources: of the block that the loop is in; see `loops.Undecoded`.
        got: how many items of each shard, or results of each input, the loop has.
        errors: the inputs of which it has the failure.
        history: all that it has got, in order; failures as item -1. It makes no difference.
        struck: how often a worker has died that ran an input, for each.
        places: where the loop has been, in all worlds.
    """

    def __init__(self, rules: Any) -> None:
        super().__init__(rules)
        self.delivery: Delivery | None = None
        self.sources: Any = None
        self.got: tuple[int, ...] = ()
        self.errors: frozenset[int] = frozenset()
        self.history: tuple[tuple[int, int], ...] = ()
        self.struck: tuple[int, ...] = ()
        self.places: set[Place] = set()

    def _take_item(self, item: Any) -> None:
        if isinstance(item, BaseException):
            self._take_failure(item)
            self._check_place()
            return
        part, number = divmod(item, MOST)
        if self.got[part] != number or part in self.errors:
            raise ViolationError(f"item {number} of {part} comes after {self.history}")
        self.got = (*self.got[:part], number + 1, *self.got[part + 1 :])
        self.history += ((part, number),)
        reads = self.rules.reads
        if isinstance(reads, Shards):
            self._check_turn(reads)
        elif reads.in_order:
            self._check_before(part)
        self._check_place()

    def _check_turn(self, reads: Shards) -> None:
        if reads.in_order and self.history[-1] != plain(reads)[len(self.history) - 1]:
            raise ViolationError(f"another sequence: {self.history}")

    def _take_failure(self, error: BaseException) -> None:
        reads, number = self.rules.reads, getattr(error, "input_index", None)
        if not isinstance(reads, Inputs) or number is None or number in self.errors:
            raise ViolationError(f"the loop gets {error!r}")
        if not self._may_fail(number):
            raise ViolationError(f"input {number} is blamed that has done nothing")
        self.errors |= {number}
        self.history += ((number, -1),)
        if reads.in_order:
            self._check_before(number)

    def _may_fail(self, number: int) -> bool:
        """Tell whether an input fails, as far as is known."""
        reads: Inputs = self.rules.reads
        raises = number in reads.fails and self.got[number] == reads.results(number)
        return raises or self.struck[number] > reads.retries

    def _is_done(self, number: int) -> bool:
        """Tell whether the loop has got all of an input that it will."""
        reads: Inputs = self.rules.reads
        if reads.on_error == "skip" and self._may_fail(number):
            return True
        whole = self.got[number] == reads.results(number) and number not in reads.fails
        return whole or number in self.errors or number in numbers_of(reads.place.ended)

    def _check_before(self, number: int) -> None:
        """Check that all inputs before one are done, and those after it are not begun."""
        before = all(map(self._is_done, range(number)))
        if not before or any(part > number for part, _ in self.history):
            raise ViolationError(f"results come out of order: {self.history}")

    def _check_end(self) -> None:
        reads = self.rules.reads
        if isinstance(reads, Inputs):
            whole = all(map(self._is_done, range(len(reads.lengths))))
        else:
            whole = len(self.history) == len(plain(reads))
        if not whole:
            raise ViolationError(f"the pass ends after {self.history}")

    def _check_place(self) -> None:
        """Check that a pass from here on, or from where the loop was, has what is missing."""
        reads, delivery, count = self.rules.reads, self.delivery, len(self.history)
        assert delivery is not None
        for behind in range(count + 1):
            place, given = delivery.place(count - behind), self.history[: count - behind]
            if place is None:
                raise ViolationError(f"where the loop was {behind} items ago is forgotten")
            self.places.add(place)
            if isinstance(reads, Inputs):
                right = self._has_got(reads, place, given)
            else:
                right = rest_from(reads, place) == missing(reads, given)
            if not right:
                raise ViolationError(f"{place} is where the loop is after {given}")

    def _has_got(self, reads: Inputs, place: Place, given: tuple[tuple[int, int], ...]) -> bool:
        """Tell whether a place is that of a loop which was given some results."""
        before, begun, ended = dict(reads.place.begun), dict(place.begun), numbers_of(place.ended)
        for number in range(len(reads.lengths)):
            got = before.get(number, 0) + sum(each == number for each, at in given if at >= 0)
            failed = (number, -1) in given or number in numbers_of(reads.place.ended)
            whole = failed or (self._is_done(number) and got == self.got[number])
            if not whole if number in ended else failed or got != begun.get(number, 0):
                return False
        return True

    def check_bounds(self) -> None:
        """Check how much waits, and how many inputs were taken."""
        credit, delivery, reads = self.rules.credit, self.delivery, self.rules.reads
        if credit is None or not self.opened or delivery is None:
            return
        rest = delivery.rest if type(delivery.rest) is list else []
        sources = self.sources if type(self.sources) is list else [self.sources] * len(rest)
        for index, (core, side) in enumerate(zip(self.group.workers, self.sides, strict=True)):
            assert isinstance(side, Reader)
            waits = (
                items_of((*side.up, *side.pushing), self.group.epoch)
                + side.kept * (side.machine.epoch == self.group.epoch)
                + core.inbox.waiting
                + delivery.queues[index].waiting
                + sum(source.index == index for source in sources)
            )
            if waits > credit + 1:
                raise ViolationError(f"{waits} items of a worker wait, where {credit} may")
        if isinstance(delivery, Mapped):
            done = sum(map(self._is_done, range(len(reads.lengths))))
            if delivery._supply.taken - done > credit + self.rules.workers:
                raise ViolationError("more inputs are taken than may be")


@cache
def plain(reads: Shards) -> list[tuple[int, int]]:
    """Return what a plain loop gets."""
    whole = list(simulate(reads.lengths, reads.cycle))
    return rest_from(reads, reads.place) if reads.place.ended or reads.place.begun else whole


@cache
def rest_from(reads: Shards, place: Place) -> list[tuple[int, int]]:
    """Return what a plain loop gets from a place on; sorted where there is no order."""
    turns = Turns.begin(Sharding(len(reads.lengths), reads.cycle), place)
    rest = list(walk(turns, reads.lengths))
    return rest if reads.in_order else sorted(rest)


@cache
def missing(reads: Shards, given: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Return what is left of what a plain loop gets."""
    if reads.in_order:
        return plain(reads)[len(given) :]
    return sorted(set(plain(reads)) - set(given))
