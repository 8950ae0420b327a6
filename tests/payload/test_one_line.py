"""Exceptions as short text: no class of the user's may spoil another error's message."""

from typing import Any

import pytest

from farside._payload.one_line import one_line


class Mute(ValueError):
    def __str__(self) -> str:
        raise SystemExit(3)


class NamelessMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__name__":
            raise SystemExit(3)
        return super().__getattribute__(name)


class Nameless(ValueError, metaclass=NamelessMeta):
    pass


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("wrong"), "ValueError: wrong"),
        (Mute("wrong"), "Mute: <str() of the exception failed>"),
        (Nameless("wrong"), "an exception of unknown type: wrong"),
    ],
    ids=["plain", "mute", "nameless"],
)
def test_an_exception_in_one_line(error: Exception, text: str) -> None:
    assert one_line(error) == text
