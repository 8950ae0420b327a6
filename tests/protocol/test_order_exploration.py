"""What a loop over several workers gets, in every state that they and it can reach.

Exploring raises where a rule of `OrderWorld` is broken: an item out of turn, twice, or not at all;
more waiting than may be; an input that is blamed for what another one has done; a place from which
a later pass would not have what is missing. That nobody waits for ever is asked of the states.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.passes import batches, mapped
from farside._parent.passes.queues import Queue

from .explorer import Space, explore, name_of
from .order_world import OrderWorld, forget
from .reader import Inputs, Shards
from .side import Rules
from .side import name_of as name_of_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = Rules(passes=1, credit=1, prompt=True)
TWO = ONE._replace(workers=2)
THREE = ONE._replace(workers=3)
DIES: dict[str, Any] = {"deaths": 1, "restarts": 1}
LEAVES: dict[str, Any] = {"leaves": True, "passes": 2}

SLOTS, ANY = Shards((2, 0, 1)), Shards((2, 0, 1), in_order=False)
MAP, FLAT = Inputs(), Inputs((2, 0, 1), flat=True)
MAP_ANY, FLAT_ANY = MAP._replace(in_order=False), FLAT._replace(in_order=False)
FAILS, POISON = frozenset({1}), frozenset({1})

FEW = [
    TWO._replace(reads=SLOTS, share=2),
    ONE._replace(reads=SLOTS, share=2, **DIES),
    TWO._replace(reads=ANY),
    TWO._replace(reads=MAP._replace(fails=FAILS, on_error="return")),
    ONE._replace(reads=FLAT._replace(on_error="return"), share=2, deaths=1),
    ONE._replace(reads=SLOTS, deaths=2, restarts=2, struck=True),
    ONE._replace(reads=MAP._replace(on_error="return", poison=POISON), deaths=1, struck=True),
]
MANY = [
    *FEW,
    TWO._replace(reads=SLOTS, **DIES),
    TWO._replace(reads=Shards((1, 0, 1)), **LEAVES),
    TWO._replace(reads=SLOTS, credit=2, share=3),
    TWO._replace(reads=SLOTS, deaths=1),
    TWO._replace(reads=Shards((1, 0, 1)), credit=None, share=2),
    ONE._replace(reads=Shards((1, 0, 1)), share=2, **DIES, **LEAVES),
    ONE._replace(reads=Shards((1, 3, 0, 2), 3), share=2, **DIES),
    TWO._replace(reads=Shards((1, 3, 0, 2), 3), credit=2),
    TWO._replace(reads=Shards((0, 0)), share=2, **DIES),
    ONE._replace(reads=Shards((3, 1, 2), 1), credit=2, share=3, **DIES),
    THREE._replace(reads=Shards((2, 0, 1), 3)),
    ONE._replace(reads=ANY, share=2, **DIES),
    TWO._replace(reads=Shards((1, 0, 1), in_order=False), credit=0, **DIES),
    TWO._replace(reads=ANY, share=2, credit=2),
    ONE._replace(reads=Shards((1, 0, 1), in_order=False), share=2, **LEAVES),
    THREE._replace(reads=Shards((1, 0, 1, 1), in_order=False), credit=0),
    TWO._replace(reads=MAP._replace(on_error="return"), credit=0, deaths=1),
    TWO._replace(reads=Inputs((1, 1), in_order=False, on_error="skip"), credit=0, deaths=1),
    ONE._replace(reads=MAP._replace(retries=1, batch=2), share=3, deaths=2),
    ONE._replace(reads=FLAT._replace(retries=1), share=3, credit=2, deaths=1),
    ONE._replace(reads=FLAT_ANY._replace(on_error="skip"), share=3, credit=2, deaths=1),
    TWO._replace(reads=MAP._replace(fails=FAILS), share=2),
    TWO._replace(reads=MAP._replace(poison=POISON, retries=1, batch=2), share=2),
    TWO._replace(reads=FLAT._replace(poison=POISON, on_error="return")),
    TWO._replace(reads=MAP, credit=0, **LEAVES),
    THREE._replace(reads=MAP, credit=0),
]
MOST = [
    TWO._replace(reads=Shards((1, 3, 0, 2), 3), share=2, **DIES),
    TWO._replace(reads=Shards((3, 1, 2), 3), credit=2, share=2, **DIES),
    TWO._replace(reads=SLOTS, credit=0, share=2, deaths=2, restarts=2),
    TWO._replace(reads=SLOTS, share=2, **DIES, **LEAVES),
    THREE._replace(reads=Shards((2, 1, 1, 1), 3), share=2),
    THREE._replace(reads=ANY, share=2),
    TWO._replace(reads=ANY, share=2, **DIES),
    TWO._replace(reads=ANY, share=2, deaths=2, restarts=2),
    TWO._replace(reads=FLAT._replace(on_error="return"), deaths=1),
    TWO._replace(reads=FLAT_ANY._replace(on_error="skip"), deaths=1),
    TWO._replace(reads=Inputs((1,) * 5, batch=2, on_error="return"), share=2, deaths=1),
    THREE._replace(reads=MAP_ANY, **LEAVES),
]
"""Minutes: in the soak environment."""

HOW = os.environ.get("FARSIDE_EVERY_ORDER")
WORLDS = FEW if HOW is None else [*MANY, *MOST] if HOW == "soak" else MANY
WALKS = {None: 50, "soak": 20_000}.get(HOW, 400)

UNAIDED = frozenset({OrderWorld.start, OrderWorld.stop, OrderWorld.lose})
"""What only happens when the user wants it, or when something goes wrong."""


def _take(self: Queue, count: int) -> list[Any]:
    """Take so many entries out; without this, a negative number would be without end."""
    assert 0 <= count <= self.run, f"{count} entries are taken, where there are {self.run}"
    return _TAKE(self, count)


_TAKE = Queue.take


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let batches be as large as the rules say, however long anything takes."""
    for module in (batches, mapped):
        monkeypatch.setattr(module, "monotonic", lambda: 0.0)
    monkeypatch.setattr(Queue, "take", _take)
    forget()
    yield
    forget()


def stuck(space: Space) -> list[int]:
    """Return the states in which somebody waits for what does not come by itself, or for ever."""
    return [
        number
        for number, state in enumerate(space.states)
        if not state.settled and all(move[0] in UNAIDED for move, _ in space.moves[number])
    ] or space.lost("settled", UNAIDED)


@pytest.mark.parametrize("rules", WORLDS, ids=name_of_rules)
def test_in_every_state(rules: Rules) -> None:
    space = explore(rules, OrderWorld)
    bad = stuck(space)
    assert not bad, f"{len(bad)} states; the first of them after {space.story(bad[0])}"


RESUMED = [
    TWO._replace(reads=Shards((1, 2, 2), 3), credit=0),
    TWO._replace(reads=Shards((1, 0, 2), in_order=False), credit=0),
    TWO._replace(reads=FLAT, credit=0),
    TWO._replace(reads=MAP_ANY, credit=0),
]


@pytest.mark.parametrize("rules", RESUMED if HOW else RESUMED[:1], ids=name_of_rules)
def test_a_pass_goes_on_from_every_place_with_any_number_of_workers(rules: Rules) -> None:
    world = OrderWorld(rules)
    explore(rules, lambda _: world)
    assert len(world.places) > len(rules.reads.lengths)
    for place in world.places:
        for workers in (1, 2, 3) if HOW == "soak" else (1, 2):
            reads = rules.reads._replace(place=place)
            resumed = rules._replace(workers=workers, reads=reads)
            assert not stuck(explore(resumed, OrderWorld)), resumed


SETTLED = [
    ONE._replace(reads=FLAT._replace(on_error="skip"), share=3, deaths=2),
    ONE._replace(reads=FLAT_ANY._replace(on_error="return"), share=3, deaths=2),
]


@pytest.mark.parametrize("rules", SETTLED, ids=name_of_rules)
def test_two_workers_die_while_results_of_a_settled_input_wait(rules: Rules) -> None:
    assert not stuck(explore(rules, OrderWorld))


# Farther ------------------------------------------------------------------------------------------


def draw(random: Random) -> Rules:
    """Draw rules, and what is read."""
    count, deaths = random.randint(0, 6), random.choice([0, 0, 1, 2, 4])
    lengths = tuple([random.randint(0, 3) for _ in range(count)])
    in_order, flat = random.random() < 0.6, random.random() < 0.5
    reads: Shards | Inputs = Shards(lengths, random.randint(1, 5), in_order)
    if random.random() < 0.5:
        reads = Inputs(
            lengths if flat else (1,) * count,
            in_order,
            flat,
            random.choice(["raise", "return", "skip"]),
            random.randint(0, 2),
            frozenset(each for each in range(count) if random.random() < 0.15),
            frozenset(each for each in range(count) if random.random() < 0.1),
            random.randint(1, 3),
        )
    return Rules(
        workers=random.choice([1, 1, 2, 2, 3, 4]),
        passes=random.randint(1, 3),
        up=random.randint(1, 2),
        credit=random.choice([None, 0, 1, 1, 2, 3]),
        share=random.randint(1, 4),
        deaths=deaths,
        restarts=random.choice([0, deaths, deaths]),
        leaves=random.random() < 0.3,
        prompt=True,
        reads=reads,
    )


def walk(rules: Rules, random: Random) -> OrderWorld:
    """Make one move after the other until there is none."""
    world, story = OrderWorld(rules), list[str]()
    try:
        while moves := world.moves():
            usual = [move for move in moves if move[0] not in UNAIDED]
            move = random.choice(usual if usual and random.random() < 0.93 else moves)
            story.append(name_of(move))
            world.make(move)
            world.catch_up()
            world.parts()  # looks at the bounds
            assert len(story) < 5000, "there is no end"
        assert world.settled, "somebody waits for ever"
    except Exception as error:
        error.args = (f"{error}; {rules}; after {' → '.join(story)}",)
        raise
    return world


@pytest.mark.parametrize("part", range(4))
def test_on_long_ways(part: int) -> None:
    for number in range(WALKS // 4):
        seed = 4 * number + part
        random = Random(seed)  # noqa: S311  it has to give the same again
        rules = draw(random)
        world = walk(rules, random)
        places = sorted(world.places)
        if places:
            # And on from there, with other workers.
            reads = rules.reads._replace(place=random.choice(places))
            walk(draw(random)._replace(reads=reads), random)
