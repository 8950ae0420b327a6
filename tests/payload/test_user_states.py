"""States of the user's iterables as bytes: exact, bounded, and no code in those that are saved."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._payload.user_states import (
    LITERAL,
    MOST_BYTES,
    StateTooLargeError,
    check_literal,
    freeze,
    thaw,
)
from tests.payload import registering
from tests.payload.registering import Frame
from tests.steady import STEADY

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.binary()
)
PLAIN = st.recursive(
    ATOMS,
    lambda each: st.lists(each) | st.tuples(each, each) | st.dictionaries(ATOMS, each),
    max_leaves=20,
)


@STEADY
@given(PLAIN)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    frozen = freeze(value)
    assert frozen[:1] == LITERAL
    check_literal(frozen)
    assert repr(thaw(frozen)) == repr(value)


def test_sets_come_back() -> None:
    value = [{1, "a", None}, set()]
    assert thaw(freeze(value)) == value
    check_literal(freeze(value))


def test_generators_of_numbers_are_plain() -> None:
    one, other = random.Random(1), random.Random(2)  # noqa: S311  nothing is kept secret
    frozen = freeze({"python": one.getstate(), "numpy": np.random.PCG64(1).state})
    check_literal(frozen)
    other.setstate(thaw(frozen)["python"])
    assert other.random() == one.random()


class Own(dict):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "value", [float("nan"), 1j, Own(a=1), np.arange(3), [[np.int64(3)]], range]
)
def test_other_values_are_pickled(value: Any) -> None:
    frozen = freeze(value)
    assert repr(thaw(frozen)) == repr(value)
    told = r"cannot be read \(it is not a literal\); pass what state"
    with pytest.raises(ValueError, match=told):
        check_literal(frozen)


def test_what_the_user_has_registered_is_heard() -> None:
    registering.register()
    frame = thaw(freeze({"frame": Frame(bytearray(b"7"))}))["frame"]
    assert bytes(frame.contents) == b"7"


def test_a_list_that_contains_itself_is_pickled() -> None:
    value: list[Any] = []
    value.append(value)
    assert freeze(value)[:1] != LITERAL


@pytest.mark.parametrize(
    "value",
    ["x" * MOST_BYTES, b"\xff" * (MOST_BYTES // 2), [0] * MOST_BYTES, np.zeros(MOST_BYTES)],
    ids=["text", "escapes", "list", "array"],
)
def test_what_is_too_large_is_refused(value: Any) -> None:
    with pytest.raises(StateTooLargeError):
        freeze(value)


@pytest.mark.parametrize("text", ["L__import__('os')", "L(", "L" + "(" * 10_000, "", "L\0"])
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        check_literal(text.encode())
