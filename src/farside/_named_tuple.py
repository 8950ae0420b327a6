"""`typing.NamedTuple` for what a worker imports: `typing` would cost milliseconds of its start."""

from __future__ import annotations

__all__ = ["NamedTuple"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import namedtuple

    class _Fields(type):
        """Makes a named tuple of what is annotated in the body of a class."""

        def __new__(cls, name: str, _bases: tuple[type, ...], body: dict[str, object]):  # noqa: ANN204  a type
            fields = body["__annotations__"]  # texts, as each module here has them
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            made.__doc__ = body.get("__doc__")
            return made

    NamedTuple = type.__new__(_Fields, "NamedTuple", (), {})
