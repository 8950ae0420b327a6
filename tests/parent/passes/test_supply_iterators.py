"""Inputs of a map are what a plain loop over the user's iterator gets, whatever type that has."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent.passes.supply import STEADY, Supply
from farside._payload.decoder import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PLENTY = 1 << 18


def taken(items: Iterable[Any], most: int) -> tuple[list[Any], Supply]:
    """Take as many inputs as that or more, if there are; some at a time."""
    supply, found = Supply(lambda: iter(items)), list[Any]()
    assert supply.pass_over() == 0
    while not supply.ended and len(found) < most:
        found += [decode(entry, ()) for entry in supply.take(64, PLENTY)[0]]
    assert supply.taken == len(found)
    return found, supply


class Total:
    """A number that is changed by what is added to it."""

    def __init__(self) -> None:
        self.value = 0

    def __int__(self) -> int:  # `count` asks whether it is a number
        return self.value

    def __radd__(self, _: int) -> Total:
        return self + 1

    def __add__(self, step: Any) -> Total:
        if self.value == 100:
            raise OverflowError("full")
        self.value += 1
        return self


@pytest.mark.parametrize(
    "items",
    [
        partial(count, -3),
        partial(count, 5, 7),
        partial(count, 5, 0),
        partial(count, True),
        partial(count, (1 << 63) - 99, 2),
        partial(count, 0.5, 2),
        partial(count, 1, 0.25),
        partial(count, Fraction(1, 3)),
        partial(count, 1, Fraction(1, 3)),
    ],
    ids=lambda make: repr(make()),
)
def test_numbers_of_all_kinds_are_counted(items: Callable[[], Iterator[Any]]) -> None:
    found, _ = taken(items(), 300)
    expected = [*islice(items(), len(found))]
    assert found == expected
    assert [*map(type, found)] == [*map(type, expected)]


@pytest.mark.parametrize("start", [Total, int])
def test_a_number_that_counting_changes_is_sent_as_it_was(start: Callable[[], Any]) -> None:
    expected = list[int]()
    with pytest.raises(OverflowError):
        expected.extend(map(int, count(start(), Total())))
    found, supply = taken(count(start(), Total()), 1000)
    assert [*map(int, found)] == expected
    assert isinstance(supply.error, OverflowError)


class Begin:
    """A method that is no function of Python's, as those of extension modules are none."""

    def __get__(self, made: Any, _: object = None) -> Callable[[], Any]:
        return self if made is None else partial(self, made)  # type: ignore[return-value]

    def __call__(self, made: Again) -> Again:
        made.at = -1
        return made


class Again:
    """An iterator that ``iter()`` sets back."""

    at = -1
    __iter__ = Begin()

    def __next__(self) -> int:
        self.at += 1
        if self.at == 200:
            raise StopIteration
        return self.at


def test_no_iterator_is_set_back_in_the_middle() -> None:
    assert taken(Again(), 1000)[0] == [*range(200)]


class Once:
    """An iterator that must not be asked for more after its end."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __iter__(self) -> Once:
        return self

    def __next__(self) -> int:
        self.left -= 1
        assert self.left >= -1, "it was asked after its end"
        if self.left < 0:
            raise StopIteration
        return self.left


@pytest.mark.parametrize("number", [3, STEADY + 300])
@pytest.mark.parametrize("checked", [(), (1, 2), (0, 1000)])
@pytest.mark.parametrize("wrap", [iter, partial(map, int), chain, zip])
def test_nothing_is_asked_for_after_the_end(
    wrap: Callable[[Any], Iterator[Any]], checked: tuple[int, ...], number: int
) -> None:
    supply = Supply(lambda: wrap(Once(number)), checks=dict.fromkeys(checked, lambda each: each))
    assert supply.pass_over() == 0
    while not supply.ended:
        supply.take(64, PLENTY)
    assert supply.error is None
    assert supply.taken == number
