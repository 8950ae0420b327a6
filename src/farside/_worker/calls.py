"""What the parent may ask of the iterable between two passes: to call a method."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def find_method(made: object, name: str, origin: str) -> Callable[..., Any]:
    """Return a method of what a function of the user's has returned: ``"fn"`` or ``"setup"``."""
    if made is None and origin == "setup":
        raise AttributeError(
            f"there is nothing to call {name!r} of: no setup was given; pass setup, a function "
            "that makes it in each worker"
        )
    kind = type(made).__name__
    try:
        method = getattr(made, name)
    except AttributeError as error:
        from .._payload.one_line import one_line  # only when something fails

        raise AttributeError(
            f"{kind}, which {origin} returned, has no method {name!r} ({one_line(error)})"
        ) from error
    if not callable(method):
        raise TypeError(
            f"{name!r} of {kind}, which {origin} returned, is no method; read it with "
            f"call('__getattribute__', {name!r})"
        )
    found: Callable[..., Any] = method
    return found
