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
            given = ", ".join(fields)
            scope = {"__name__": body["__module__"], "new": tuple.__new__}
            new = eval(f"lambda cls, {given}: new(cls, ({given},))", scope)  # noqa: S307  our own
            new.__name__, new.__qualname__ = "__new__", f"{name}.__new__"
            new.__defaults__ = tuple([body[field] for field in fields if field in body])
            members = {field: field_at(at, None) for at, field in enumerate(fields)}
            names = {"_fields": fields, "__match_args__": fields, "__slots__": ()}
            return type(name, (_Base,), {**body, **names, **members, "__new__": new})

    NamedTuple = type.__new__(_Fields, "NamedTuple", (), {})
