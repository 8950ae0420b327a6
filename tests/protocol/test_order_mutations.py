"""The exploration of the order finds what is wrong: each broken rule below must make it fail."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.one_pass import Pass
from farside._parent.passes import assigned_inputs, sharded
from farside._parent.passes.assigned_inputs import AssignedInputs
from farside._parent.passes.batches import Batch
from farside._parent.passes.dealt import Dealt
from farside._parent.passes.in_turn import InTurn
from farside._parent.passes.mapped import Mapped
from farside._parent.passes.mapped_orders import MappedInOrder
from farside._parent.passes.queues import Queue
from farside._protocol.credit import Window
from farside._protocol.order import Turns
from farside._worker import snapshots
from farside.errors import FarsideError

from . import order_world
from .explorer import explore
from .order_world import OrderWorld
from .reader import Inputs, Reader, Shards
from .test_order_exploration import ONE, TWO, no_time, stuck

if TYPE_CHECKING:
    from collections.abc import Callable

    from .side import Rules

__all__ = ["no_time"]  # a fixture

DIES: dict[str, Any] = {"deaths": 1, "restarts": 1}
ALONE = ONE._replace(reads=Shards((2, 1, 1)), **DIES)
PAIR = TWO._replace(reads=Shards((2, 0, 1)))
SLOTS = TWO._replace(reads=Shards((1, 3, 3), 3))
EMPTY = ONE._replace(reads=Shards((0,) * 5 + (1,)))
DEALT = TWO._replace(reads=Shards((1, 0, 1), in_order=False))
MAP = TWO._replace(reads=Inputs())
ONE_EACH = ONE._replace(reads=Inputs(on_error="return"), deaths=1)
POISON = ONE._replace(
    reads=Inputs(on_error="return", poison=frozenset({1}), batch=2), share=2, credit=2
)
FLAT = ONE._replace(reads=Inputs((2, 1), flat=True, on_error="return"), share=3, deaths=1)


def find_wrong(rules: Rules) -> str | None:
    """Explore, and tell what is wrong."""
    try:
        bad = stuck(explore(rules, OrderWorld))
    except (FarsideError, AssertionError, LookupError, AttributeError) as error:
        return str(error)
    return "somebody waits for ever" if bad else None


@pytest.mark.parametrize("rules", [ALONE, PAIR, EMPTY, DEALT, MAP, ONE_EACH, POISON, FLAT])
def test_nothing_is_wrong_as_it_is(rules: Rules) -> None:
    assert find_wrong(rules) is None


def changing(cls: Any, method: str, change: Callable[..., Any]) -> tuple[Any, str, Any]:
    """Return a method whose result is changed."""
    right = getattr(cls, method)
    return cls, method, lambda *args, **kwargs: change(right(*args, **kwargs), *args)


def fewest_is_next(place: Any, turns: Turns, _: object) -> Any:
    """Let the slot be next of which the fewest items were read."""

    def count(slot: int) -> int:
        return turns.read_of(turns.shard_of(slot)) if slot in turns.live else 0

    return place._replace(turn=min(range(len(turns.chains)), key=count))


def lose_turn(turns: Turns, _: object) -> Turns:
    """Let a slot whose shard has ended wait for its next turn."""
    return turns._replace(at=(turns.at + 1) % (len(turns.live) or 1))


def pass_mark_for_nothing(self: Queue) -> Any:
    """Take a mark out, and count nothing."""
    return self.marks.popleft()[1]


def make_for_nothing(self: Reader) -> None:
    """Let the end of a shard need no credit."""
    made, before = self.made, self.at
    _MAKE(self)
    if self.at > before and type(self.stream.made[before].entry) is not int:  # type: ignore[union-attr]
        self.made = made


_MAKE = Reader.make


def go_on_untold(self: Pass) -> Any:
    """Let a worker go on that was told what has been taken of another one."""
    tell, type(self).acknowledge_queue = type(self).acknowledge_queue, lambda *_: None  # type: ignore[method-assign]
    core = _GO_ON(self)
    type(self).acknowledge_queue = tell  # type: ignore[method-assign]
    return core


_GO_ON = Pass._continue_restarted


def start_again_elsewhere(self: Mapped, core: Any, index: int) -> None:
    """Give what a worker that has died had to another one."""
    _START_AGAIN(self, core, index)
    other, orders = (index + 1) % len(self.queues), self.orders.pop(index, None)
    if orders:
        lost = [self._assigned[index].batches.pop() for _ in orders]
        self._assigned[other].batches.extend(reversed(lost))
        self.orders.setdefault(other, []).extend(orders)


_START_AGAIN = Mapped.start_again


def blame_first(_: int | None, lost: list[Batch], *args: int) -> Batch | None:
    """Blame the first input without an answer."""
    return _BLAME(lost[0].first + 1, lost, *args)


_BLAME = assigned_inputs._blame


def read_nothing(self: OrderWorld, index: int) -> None:
    """Do not read what a worker that has died had sent."""
    if self.sides[index].ended:
        self.sides[index].up = ()
    _READ(self, index)


_READ = OrderWorld.read
read_nothing.__qualname__ = _READ.__qualname__


def mix_up_read(self: AssignedInputs, *args: Any) -> Any:
    """Take what the loop has got of any input for what it has got of the next one."""
    *others, read = args
    return _LOSE(self, *others, dict.fromkeys(range(9), sum(read.values())))


def leave_nothing_over(self: AssignedInputs, *args: Any) -> Any:
    """Let an input fail as if none of its results had come."""
    found = _LOSE(self, *args)
    self.batches = deque([each for each in self.batches if not each.left])
    return found


_LOSE: Any = AssignedInputs.lose


_DEAL: Any = Dealt.deal


def _with_more(made: Any) -> Any:
    made._plan = made._plan._replace(ahead=made._plan.ahead + 1)
    return made


BROKEN: list[tuple[Any, ...]] = [
    ("a worker is not told whose turn it is", ALONE, changing(
        Turns, "place_after", lambda place, *_: place._replace(turn=0)
    )),
    ("the slot with the fewest items is next", SLOTS, changing(
        Turns, "place_after", fewest_is_next
    )),
    ("a slot loses its turn where a shard ends", TWO._replace(reads=Shards((1, 2, 1))),
        changing(Turns, "end", lose_turn),
    ),
    ("the loop waits for another worker", PAIR, (InTurn, "needs", (0,))),
    ("a new worker's credit is whole", ALONE, changing(
        Queue, "begin_successor", lambda *_: 0
    )),
    ("a new worker is told what was taken of another one", TWO._replace(
        reads=Shards((1, 1, 0, 0)), credit=0, **DIES
    ), (Pass, "_continue_restarted", go_on_untold)),
    ("one more item may wait", PAIR, changing(Window, "stop", lambda stop, *_: stop + 1)),
    ("the end of a shard needs no credit", EMPTY,
        (Queue, "pass_mark", pass_mark_for_nothing), (Reader, "make", make_for_nothing),
    ),
    ("the end of a shard gives no credit back", EMPTY,
        (Queue, "pass_mark", pass_mark_for_nothing),
    ),
    ("what has arrived is made again", ALONE, (sharded, "arrived", lambda *_: [])),
    ("a shard begins anew in another worker", ALONE, (
        snapshots, "pass_over", lambda *_, **__: None
    )),
    ("no further shards are dealt", DEALT._replace(
        reads=Shards((1, 1, 0, 1, 1), in_order=False), credit=0
    ), (Dealt, "deal", lambda self: None if self.delivered else _DEAL(self))),
    ("a shard is dealt that is read already", DEALT._replace(workers=1, **DIES), changing(
        Dealt, "left_of", lambda left, *_: [(shard, 0) for shard, _ in left]
    )),
    ("what a dead worker had goes to another", MAP._replace(
        reads=Inputs((1, 1)), deaths=1
    ),
        (Mapped, "start_again", start_again_elsewhere),
    ),
    ("the first input without an answer is blamed", ONE_EACH,
        (assigned_inputs, "_blame", blame_first),
    ),
    ("the same, with answers that share a frame", POISON,
        (assigned_inputs, "_blame", blame_first),
    ),
    ("what a dead worker has sent is not read", ONE_EACH,
        (OrderWorld, "read", read_nothing),
    ),
    ("too many inputs are taken", MAP._replace(reads=Inputs((1,) * 4)), changing(
        order_world, "sequence_of", lambda made, _: _with_more(made)
    )),
    ("results are sent again that have arrived", FLAT._replace(
        reads=FLAT.reads._replace(retries=1)
    ), (Batch, "order", property(
        lambda self: (self.first, 0, True, self.entries)
    ))),
    ("the failure of a worker has no place", ONE_EACH, changing(
        MappedInOrder, "settled", lambda *_: []
    )),
    ("results of an input that fails later are forgotten", FLAT,
        (AssignedInputs, "lose", leave_nothing_over),
    ),
    ("what has come of one input is counted as another's", FLAT._replace(deaths=2),
        (AssignedInputs, "lose", mix_up_read),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "breaks"),
    [pytest.param(rules, breaks, id=name) for name, rules, *breaks in BROKEN],
)
def test_a_broken_rule_is_found(
    rules: Rules, breaks: list[tuple[Any, str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name, broken in breaks:
        monkeypatch.setattr(owner, name, broken)
    assert find_wrong(rules)
