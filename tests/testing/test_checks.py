"""What the contract suites check with."""

from __future__ import annotations

import pytest

import farside.testing
from farside.testing import BackendContract, LinkContract
from farside.testing.checks import Background, raises


def test_raises() -> None:
    with pytest.raises(AssertionError, match="ValueError not raised"):
        with raises(ValueError):
            pass
    with pytest.raises(KeyError):
        with raises(ValueError):
            raise KeyError
    with pytest.raises(AssertionError, match=r"\"that\" does not match \"this\""):
        with raises(ValueError, "that"):
            raise ValueError("this")
    with raises((KeyError, ValueError), "th.s") as caught:
        raise ValueError("this")
    assert str(caught.exception) == "this"


def test_background() -> None:
    assert Background(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        Background(divmod, 7, 0).result()


def test_suites_say_what_they_need() -> None:
    with pytest.raises(NotImplementedError, match="say how a worker is started"):
        BackendContract().test_any_number_of_passes()
    with pytest.raises(NotImplementedError, match="say how a link is made"):
        LinkContract().test_order_is_kept()


def test_names() -> None:
    for name in farside.testing.__all__:
        assert getattr(farside.testing, name).__name__ == name
        assert name in dir(farside.testing)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        farside.testing.nonsense  # type: ignore[attr-defined]  # noqa: B018
