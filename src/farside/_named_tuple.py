"""`typing.NamedTuple` for modules that workers import: `typing` would slow their start by some ms.

So would `collections`, together with what it imports; only its C code is used.
"""

from __future__ import annotations

__all__ = ["NamedTuple"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from _collections import _tuplegetter as field_at

    Function, new = type(lambda: None), tuple.__new__

    _WAYS = (
        lambda cls, a: new(cls, (a,)),
        lambda cls, a, b: new(cls, (a, b)),
        lambda cls, a, b, c: new(cls, (a, b, c)),
        lambda cls, a, b, c, d: new(cls, (a, b, c, d)),
        lambda cls, a, b, c, d, e: new(cls, (a, b, c, d, e)),
        lambda cls, a, b, c, d, e, f: new(cls, (a, b, c, d, e, f)),
        lambda cls, a, b, c, d, e, f, g: new(cls, (a, b, c, d, e, f, g)),
        lambda cls, a, b, c, d, e, f, g, h: new(cls, (a, b, c, d, e, f, g, h)),
        lambda cls, a, b, c, d, e, f, g, h, i: new(cls, (a, b, c, d, e, f, g, h, i)),
        lambda cls, a, b, c, d, e, f, g, h, i, j: new(cls, (a, b, c, d, e, f, g, h, i, j)),
    )
    """How to make a tuple of one field, of two, and so on. Each class has a copy with the names of
    its own fields: to compile a function for each would take thirty times as long."""

    class _Base(tuple):
        """What named tuples have in common."""

        __slots__ = ()
        _fields = ()

        @classmethod
        def _make(cls, values):  # noqa: ANN001, ANN206
            return cls(*values)

        def _replace(self, /, **changed):  # noqa: ANN003, ANN202
            return type(self)(**{**self._asdict(), **changed})

        def _asdict(self):  # noqa: ANN202
            return dict(zip(self._fields, self))  # noqa: B905  both are of one length

        def __getnewargs__(self):  # noqa: ANN204  a copy is made by `__new__`
            return (*self,)

        def __repr__(self) -> str:
            told = ", ".join([f"{name}={value!r}" for name, value in self._asdict().items()])
            return f"{type(self).__name__}({told})"

    class _Fields(type):
        """Makes a named tuple from the annotations in the body of a class."""

        def __new__(cls, name: str, _bases: tuple[type, ...], body: dict[str, object]):  # noqa: ANN204  a type
            fields = (*body["__annotations__"],)  # texts, as each module here has them
            code = _WAYS[len(fields) - 1].__code__.replace(co_varnames=("cls", *fields))
            defaults = tuple([body[field] for field in fields if field in body])
            make = Function(code, globals(), "__new__", defaults)
            make.__qualname__ = f"{name}.__new__"
            members = {field: field_at(at, None) for at, field in enumerate(fields)}
            names = {"_fields": fields, "__match_args__": fields, "__slots__": ()}
            return type(name, (_Base,), {**body, **names, **members, "__new__": make})

    NamedTuple = type.__new__(_Fields, "NamedTuple", (), {})
