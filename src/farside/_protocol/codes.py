"""A small stand-in for `enum.IntEnum`, for the modules that a worker imports.

Importing `enum`, and making the worker's enumerations with it, takes a tenth of a worker's start.
Type checkers see `enum.IntEnum` itself. The stand-in has the part of it that the protocol uses.
"""

from __future__ import annotations

__all__ = ["IntEnum"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import IntEnum
    from typing import Any

_new: Any = int.__new__


class _Enumeration(type):
    """Turns each public name in the body of a class into a member."""

    _members: dict[int, Any]

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> None:
        super().__init__(name, bases, body)
        cls._members = {}
        for key, number in body.items():
            if not key.startswith("_"):
                member = _new(cls, number)
                member.name, member.value = key, number
                cls._members[number] = member
                setattr(cls, key, member)

    def __iter__(cls) -> Iterator[Any]:
        return iter(cls._members.values())

    def __contains__(cls, number: object) -> bool:
        return number in cls._members

    def __len__(cls) -> int:
        return len(cls._members)


if not TYPE_CHECKING:

    class IntEnum(int, metaclass=_Enumeration):
        """A number with a name.

        Example:
            >>> class Light(IntEnum):
            ...     RED = 1
            ...     GREEN = 2
            >>> Light.RED.name, Light(2), Light.GREEN == 2, [*Light]
            ('RED', <Light.GREEN: 2>, True, [<Light.RED: 1>, <Light.GREEN: 2>])
        """

        def __new__(cls, number: int):  # noqa: ANN204  the documentation would show it
            try:
                return cls._members[number]
            except KeyError:
                raise ValueError(f"{number!r} is not a valid {cls.__name__}") from None

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self.name}: {self.value}>"

        __str__ = int.__repr__
