"""Calls of methods of a remote iterable, between two passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _failures
from ._protocol.tables import ParentState
from ._transport import codec
from ._transport.brief import brief
from ._transport.items import decode, unpack
from .errors import NotPicklableError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._session import Session
    from ._transport.codec import Part
    from ._transport.frames import Frame
    from ._worker.failure import Failure

_WAITING = frozenset({ParentState.STOPPING, ParentState.CALLING})
"""States that lead to Stand By without a further command."""


class Call:
    """One call, as the parent sees it.

    Attributes:
        method: the name of the method.
        answer: the frame with the result, once it has arrived.
        failure: what the worker says of its failure, or None.
        error: why no answer will arrive, or None.
    """

    __slots__ = ("answer", "error", "failure", "method")

    def __init__(self, method: str) -> None:
        self.method = method
        self.answer: Frame | None = None
        self.failure: Failure | None = None
        self.error: Exception | None = None

    @property
    def ready(self) -> bool:
        """Whether there is no reason to wait."""
        return not (self.answer is None and self.failure is None and self.error is None)

    def arrive(self, frame: Frame, *, failed: bool) -> None:
        """Take the answer in.

        Raises:
            ProtocolError: it cannot be read.
        """
        if failed:
            self.failure = _failures.read(frame.body)
        else:
            self.answer = frame

    def finish(self, error: Exception) -> None:
        """Let no answer arrive any more."""
        if not self.ready:
            self.error = error


class StandBy:
    """What is waited for before a call: the end of an earlier call, or of a pass that was left."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def ready(self) -> bool:
        """Whether there is no reason to wait."""
        return self._session.state not in _WAITING


def call_method(
    session: Session, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:  # it is whatever the method returns
    """Call a method of the remote iterable, and wait for what it returns.

    Raises:
        FarsideError: see `RemoteIterable.call`.
    """
    parts = _pack(method, args, kwargs)
    call = session.start_call(method, parts)
    while call is None:
        session.receive(StandBy(session))
        call = session.start_call(method, parts)
    del parts
    while not call.ready:
        session.receive(call)
    session.used = session.used or call.answer is not None
    if call.error is not None:
        raise call.error
    if call.failure is not None:
        raise _failures.to_exception(call.failure, session.name, method)
    return _result(session, call)


def read_length(body: bytes | bytearray) -> int | None:
    """Read what the worker says of the length of its iterable.

    Raises:
        ProtocolError: it cannot be read.
    """
    if body and not (body.isdigit() and len(body) <= _LENGTH_DIGITS):
        raise ProtocolError("the worker sent a length that is none")
    return int(body) if body else None


_LENGTH_DIGITS = 20
"""Of the largest number that ``len()`` returns, and one more; ``int()`` refuses thousands."""


def _pack(method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[Part]:
    if not isinstance(method, str):
        raise TypeError(f"method={method!r} is no name; pass the name of a method, as a string")
    try:
        return codec.dumps((method, args, kwargs))
    except Exception as error:  # __reduce__ is user code
        raise NotPicklableError(
            f"the arguments of {method!r} cannot be sent to the worker, they do not pickle "
            f"({brief(error)}); pass something that does"
            + ("" if codec.has_cloudpickle() else ", or install cloudpickle")
        ) from error


def _result(session: Session, call: Call) -> Any:
    frame, call.answer = call.answer, None
    assert frame is not None
    try:
        result, length = unpack(frame)
    except (ProtocolError, ValueError) as error:
        problem = ProtocolError(f"an answer to a call that cannot be read: {error}")
        session.fail(problem)
        raise problem from error
    session.length = length
    try:
        return decode(result, frame.blocks)
    except Exception as error:
        raise NotPicklableError(
            f"what {call.method!r} returned in the {session.name} does not unpickle here "
            f"({brief(error)}); make what it refers to importable in the parent"
        ) from error
