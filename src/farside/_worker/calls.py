"""What the parent may ask of the iterable between two passes: to call a method."""

from __future__ import annotations

from .._payload import pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MethodCall:
    """One call of a method.

    Args:
        body: what CALL has brought.
        origin: the user's function that has returned what is called.

    Attributes:
        stage: how far it got: ``"arguments"``, ``"call"``, and then what the caller says.
    """

    def __init__(self, body: bytes | bytearray, origin: str = "fn") -> None:
        self.stage = "arguments"
        self._origin = origin
        self._body = body

    def run(self, iterable: object) -> Any:  # it is whatever the method returns
        """Call the method.

        Raises:
            BaseException: whatever it raises, or loading its arguments.
        """
        name, args, kwargs = pickling.loads(self._body)
        self._body = b""
        self.stage = "call"
        if iterable is None and self._origin == "setup":
            raise AttributeError(
                f"there is nothing to call {name!r} of: no setup was given; pass setup, a function "
                "that makes it in each worker"
            )
        try:
            method = getattr(iterable, name)
        except AttributeError as error:
            from .._payload.one_line import one_line  # only when something fails

            raise AttributeError(
                f"{type(iterable).__name__}, which {self._origin} returned, has no method {name!r} "
                f"({one_line(error)})"
            ) from error
        if not callable(method):
            raise TypeError(
                f"{name!r} of {type(iterable).__name__}, which {self._origin} returned, is no "
                f"method; read it with call('__getattribute__', {name!r})"
            )
        return method(*args, **kwargs)
