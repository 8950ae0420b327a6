"""The place of a loop over a map: after any number of items, as if they had been counted."""

from __future__ import annotations

from random import Random

import pytest

from farside._parent.passes.given_results import KEPT, GivenResults
from farside._protocol.order import Place, numbers_of, ranges_of


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("seed", range(50))
def test_the_place_after_any_number_of_items(seed: int, *, flat: bool) -> None:
    draw = Random(seed)  # noqa: S311  nothing is kept secret
    before = set(draw.choices(range(6), k=draw.randrange(6)))
    progress = GivenResults(Place(ranges_of(before)), flat=flat)
    left = [number for number in range(30) if number not in before]
    ended, read, wanted = set(before), dict[int, int](), list[Place]()
    inputs: list[int | None] = []  # that the items are of; None: of its failure

    def note() -> None:
        wanted.append(Place(ranges_of(ended), tuple(sorted(read.items()))))

    note()
    for _ in range(draw.randrange(30)):
        number = draw.choice(left)
        act = draw.choice(["took", "end", "fail"])
        if act == "took" and flat:
            count = draw.randint(1, 3)
            progress.took(number, count)
            inputs += [number] * count
            for _ in range(count):
                read[number] = read.get(number, 0) + 1
                note()
        elif act == "took":
            run = next(each for each in range(31) if number + each not in left)
            count = draw.randint(1, run)
            progress.took(number, count)
            inputs += range(number, number + count)
            for each in range(number, number + count):
                left.remove(each)
                ended.add(each)
                note()
        else:
            progress.end(number, int(act == "fail"))
            left.remove(number)
            ended.add(number)
            read.pop(number, None)
            if act == "fail":
                inputs.append(None)
                note()
            else:
                wanted[-1] = Place(ranges_of(ended), tuple(sorted(read.items())))
        if not left:
            break
    assert [progress.place(each) for each in range(len(wanted))] == wanted
    for given, of in enumerate(inputs):
        assert of is None or progress.number(given) == of


def test_it_remembers_enough_and_not_all() -> None:
    progress = GivenResults()
    for number in range(10 * KEPT):
        progress.took(number ^ 1, 1)  # no two come one after the other
    place = progress.place(9 * KEPT)
    assert place is not None
    assert numbers_of(place.ended) == set(range(9 * KEPT))
    assert progress.place(KEPT) is None


@pytest.mark.parametrize("flat", [True, False])
def test_a_run_takes_one_step(*, flat: bool) -> None:
    progress = GivenResults(flat=flat)
    for number in range(10):
        progress.took(0 if flat else number, 1)
    assert len(progress._steps) == 1
