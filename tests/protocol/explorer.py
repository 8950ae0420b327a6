"""Everything that can happen: all states that worker and parent can reach together.

A state is a `World`: the real cores, and what is under way between them. From each, every move is
tried on a copy, breadth first, until no new state comes. So what holds of all states found holds
whatever the order of what happens: where a thread was slow, a worker died, or a user changed their
mind. Worlds are bounded by their `Rules`; what goes wrong at all goes wrong with two passes, two
workers, or two frames under way.

Going through is itself a test: the cores raise where a table has no row, and the world where a rule
is broken. Two more things are asked of the whole: whether somebody waits for what never comes, and
whether all can be brought to an end. For that the moves are told apart by who makes them.
"""

from __future__ import annotations

import gc
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from .side import Rules, Side
from .world import Move, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEMANDS = frozenset(
    {
        World.start, World.stop, World.close, World.call, World.give_up_call, World.ask_for_stack,
        World.take_back,
    }
)  # fmt: skip
"""What only happens when the user wants it."""

MISHAPS = frozenset({Side.lose, World.break_down, World.cut_off, World.expire})
"""What only happens when something goes wrong. Nobody may have to wait for that."""

WORK = frozenset(
    {
        Side.initialize, Side.return_from_call, Side.make_iterator, Side.make_item, Side.exhaust,
        Side.end_task, Side.fail, Side.refuse, Side.log, Side.report,
    }
)  # fmt: skip
"""What user code in a worker does, unless it hangs."""


class State(NamedTuple):
    """One state, as much of it as is asked for later."""

    settled: bool
    told: bool
    finished: bool
    closed: bool
    answered: bool
    before: int
    """The state that it was first reached from."""
    move: Move | None
    """By what."""


class Space(NamedTuple):
    """All states that can be reached, and the moves that lead from each."""

    states: list[State]
    moves: list[list[tuple[Move, int]]]
    seen: set[object]
    """States of machines of either side, as the tables name them."""

    def story(self, number: int) -> str:
        """Tell how a state is reached first."""
        steps: list[str] = []
        while (move := self.states[number].move) is not None:
            steps.append(name_of(move))
            number = self.states[number].before
        return " → ".join(reversed(steps)) or "the first state"

    def stuck(self) -> list[int]:
        """Return the states in which somebody waits for what does not come by itself."""
        unaided = DEMANDS | MISHAPS
        return [
            number
            for number, state in enumerate(self.states)
            if not state.settled and all(move[0] in unaided for move, _ in self.moves[number])
        ]

    def lost(self, goal: str, without: frozenset[object] = DEMANDS | MISHAPS) -> list[int]:
        """Return the states from which none can be reached of which something is true.

        Args:
            goal: the name of what is true of a `State`.
            without: these moves are not made.
        """
        before: list[list[int]] = [[] for _ in self.states]
        for number, moves in enumerate(self.moves):
            for move, after in moves:
                if move[0] not in without:
                    before[after].append(number)
        waiting = [number for number, state in enumerate(self.states) if getattr(state, goal)]
        found = set(waiting)
        while waiting:
            for number in before[waiting.pop()]:
                if number not in found:
                    found.add(number)
                    waiting.append(number)
        return [number for number in range(len(self.states)) if number not in found]


def name_of(move: Move) -> str:
    """Name a move in messages."""
    return f"{move[0].__name__}[{move[1]}]"


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage: there is none, and much to look through."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_no_collection()
def explore(rules: Rules, kind: Callable[[Rules], World] = World) -> Space:
    """Go everywhere.

    Args:
        rules: what may happen.
        kind: makes the world in which it may.

    Raises:
        ProtocolError: a core was asked for a step that its table does not have.
        ViolationError: something happened that the protocol rules out.
    """
    numbers: dict[tuple[int, ...], int] = {}
    parts: dict[object, int] = {}  # what states have in common is kept once
    space = Space([], [], set())
    waiting: deque[World] = deque()

    def number_of(world: World, before: int, move: Move | None) -> int:
        if rules.prompt:
            world.catch_up()
        key = tuple([parts.setdefault(part, len(parts)) for part in world.parts()])
        number = numbers.setdefault(key, len(numbers))
        if number == len(space.states):
            space.states.append(
                State(
                    world.settled,
                    world.told,
                    world.finished,
                    world.closed,
                    world.answered,
                    before,
                    move,
                )
            )
            space.seen.update(core.state for core in world.group.workers)
            space.seen.update(side.machine.state for side in world.sides)
            waiting.append(world)
        return number

    number_of(kind(rules), 0, None)
    while waiting:
        world, number = waiting.popleft(), len(space.moves)
        moves: list[tuple[Move, int]] = []
        space.moves.append(moves)
        for move in world.moves():
            try:
                moves.append((move, number_of(world.after(move), number, move)))
            except Exception as error:
                error.args = (f"{error}; after {space.story(number)} → {name_of(move)}",)
                raise
    return space
