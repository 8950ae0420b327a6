"""What the parent may ask of the iterable between two passes: to call a method."""

from __future__ import annotations

from .._transport import codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class MethodCall:
    """One call of a method.

    Args:
        body: what CALL has brought.

    Attributes:
        stage: how far it got: ``"arguments"``, ``"call"``, and then what the caller says.
    """

    def __init__(self, body: bytes | bytearray) -> None:
        self.stage = "arguments"
        self._body = body

    def run(self, iterable: object) -> Any:  # it is whatever the method returns
        """Call the method.

        Raises:
            BaseException: whatever it raises, or loading its arguments.
        """
        name, args, kwargs = codec.loads(self._body)
        self._body = b""
        self.stage = "call"
        try:
            method = getattr(iterable, name)
        except AttributeError as error:
            from .._transport.brief import brief  # only when something fails

            raise AttributeError(
                f"{type(iterable).__name__}, which fn returned, has no method {name!r} "
                f"({brief(error)})"
            ) from error
        if not callable(method):
            raise TypeError(
                f"{name!r} of {type(iterable).__name__}, which fn returned, is no method; read it "
                f"with call('__getattribute__', {name!r})"
            )
        return method(*args, **kwargs)
