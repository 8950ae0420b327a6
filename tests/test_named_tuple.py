"""Named tuples behave as those of `typing`."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from farside import _named_tuple


class Ours(_named_tuple.NamedTuple):
    """Of farside."""

    first: int
    second: str = "two"


class Theirs(typing.NamedTuple):
    """Of Python."""

    first: int
    second: str = "two"


@pytest.mark.parametrize("cls", [Ours, Theirs])
def test_what_is_used_of_them(cls: typing.Any) -> None:
    made = cls(1)
    assert made == (1, "two") == cls(second="two", first=1)
    assert (made.first, made.second, cls._fields) == (1, "two", ("first", "second"))
    assert repr(made) == f"{cls.__name__}(first=1, second='two')"
    assert made._replace(first=2) == (2, "two")
    assert made._asdict() == {"first": 1, "second": "two"}
    assert cls._make([3, "four"]) == (3, "four")
    for again in (copy.copy(made), pickle.loads(pickle.dumps(made))):
        assert (type(again), again) == (cls, made)
    match made:
        case cls(first, second):
            assert (first, second) == made


@pytest.mark.parametrize("cls", [Ours, Theirs])
def test_what_they_refuse(cls: typing.Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        cls()
    with pytest.raises(TypeError):
        cls._make([1, "two", 3])
    with pytest.raises((TypeError, ValueError), match="third"):
        cls(1)._replace(third=3)
    for name in ("first", "third"):
        with pytest.raises(AttributeError):
            setattr(cls(1), name, 0)


def test_they_tell_where_they_are_from() -> None:
    assert (Ours.__module__, Ours.__qualname__, Ours.__doc__) == (__name__, "Ours", "Of farside.")
