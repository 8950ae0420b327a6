"""What the user's iterables and iterators are like."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside._worker.iterables import (
    begun_once,
    check_iterable,
    close_generators,
    length_of,
    may_begin_again,
    resumable,
)
from tests.faults.interrupting import struck_everywhere

if TYPE_CHECKING:
    from collections.abc import Iterator


class ByIndex:
    """The old way to be iterable."""

    def __getitem__(self, index: int) -> int:
        return [0, 1][index]


class Bare:
    """An iterator without ``__iter__``."""

    def __init__(self) -> None:
        self.left = [2, 1]

    def __next__(self) -> int:
        if not self.left:
            raise StopIteration
        return self.left.pop()


class Resetting(Bare):
    """An iterator that ``iter()`` sets back."""

    def __iter__(self) -> Iterator[int]:
        self.left = [2, 1]
        return self


class Moody:
    """Iterable, with a length that fails."""

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("it was not to be called")

    def __len__(self) -> int:
        raise ValueError("no idea")


@pytest.mark.parametrize("made", [[], iter([]), ByIndex(), Moody()])
def test_what_is_iterable(made: Any) -> None:
    assert check_iterable(made) is made


@pytest.mark.parametrize("made", [None, 3, Bare()])
def test_what_is_not_iterable(made: Any) -> None:
    with pytest.raises(TypeError, match=f"fn returned {type(made).__name__}, which is not"):
        check_iterable(made)


@pytest.mark.parametrize(("made", "length"), [([1, 2], 2), (iter([]), None), (Moody(), None)])
def test_lengths(made: Any, length: int | None) -> None:
    assert length_of(made) == length


def test_what_a_signal_handler_raises_as_the_length_is_asked_for_is_not_lost() -> None:
    assert struck_everywhere(partial(length_of, [])) > 1


def test_what_may_begin_again() -> None:
    assert may_begin_again(Resetting)
    assert not may_begin_again(type(iter([])))
    assert not may_begin_again(Bare)


def test_a_loop_over_what_has_next_alone() -> None:
    assert list(begun_once(Bare())) == [1, 2]  # type: ignore[arg-type]
    iterator = iter([1, 2])
    assert begun_once(iterator) is iterator


def test_a_second_loop_goes_on() -> None:
    numbers = Resetting()
    assert next(iter(resumable(numbers))) == 1
    assert list(resumable(numbers)) == [2]
    assert list(numbers) == [1, 2]
    assert next(iter(numbers)) == 1
    assert list(begun_once(numbers)) == [2]


def test_nothing_is_asked_of_an_iterator_that_has_ended() -> None:
    """It may wait for more then, as one does whose items come through a queue."""
    ends = iter([[], ["asked again"]])
    found = resumable(map(list.pop, ends))
    with pytest.raises(IndexError):
        next(found)  # an error is not the end
    assert next(found) == "asked again"
    numbers = Bare()
    found = resumable(numbers)  # type: ignore[arg-type]
    assert list(found) == [1, 2]
    numbers.left = [3]
    assert not list(found)


# Closing ------------------------------------------------------------------------------------------


def generator(closed: list[int], number: int, error: BaseException | None) -> Iterator[int]:
    try:
        yield number
    finally:
        closed.append(number)
        if error is not None:
            raise error


def test_all_are_closed_and_an_error_is_printed_as_that_of_a_dropped_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda it: printed.append(repr(it.exc_value)))
    closed: list[int] = []
    errors = [ValueError("a"), None, KeyError("b")]
    opened = [generator(closed, number, error) for number, error in enumerate(errors)]
    for each in opened:
        next(each)
    close_generators([*opened, iter([1])])
    assert closed == [0, 1, 2]
    assert printed == ["ValueError('a')", "KeyError('b')"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_may_come_from_outside_is_raised(kind: type[BaseException]) -> None:
    opened = generator([], 0, kind())
    next(opened)
    with pytest.raises(kind):
        close_generators([opened])
