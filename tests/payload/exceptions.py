"""Exceptions of many kinds: each has crossed, or failed to cross, in somebody's program."""

import dataclasses
import errno
import sys
from typing import Any

from farside._parent.remote_failures import to_exception
from farside._payload.failure import describe
from farside.errors import (
    FarsideError,
    IterableClosedError,
    NotPicklableError,
    WorkerInitializationError,
    WorkerIterationError,
)

WORKER = "subprocess worker (pid 1)"


def arrive(
    error: BaseException, stage: str = "next", index: int | None = 3, unit: str = "input"
) -> Any:
    """Let an exception of the worker arrive in the parent."""
    return to_exception(describe(error, stage, index), WORKER, unit=unit)


class TwoArguments(Exception):
    """Its constructor does not take its ``args``: plain pickle loses it on the far side."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class OwnStr(ValueError):
    def __str__(self) -> str:
        return f"own {self.args}"


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__()
        self.code = code


class Slotted(LookupError):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__("slotted")
        self.code = code


class OwnNew(Exception):
    def __new__(cls, *, needed: int) -> Any:
        return super().__new__(cls, needed)

    def __init__(self, *, needed: int) -> None:
        super().__init__("made")
        self.needed = needed


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """Refuses to be changed, by Python's own machinery too."""

    code: int


class OwnReduce(Exception):
    """Says itself how to pickle it."""

    code = 0

    def __reduce__(self) -> Any:
        return restore, (7,)


def restore(code: int) -> OwnReduce:
    error = OwnReduce("restored")
    error.code = code
    return error


class OwnOSError(OSError):
    pass


class HostileAttribute(OSError):
    """An attribute that C code keeps raises when it is read."""

    @property
    def filename(self) -> str:
        raise LookupError


class Meta(type):
    pass


class WithMeta(Exception, metaclass=Meta):
    pass


class Final(Exception):
    def __init_subclass__(cls) -> None:
        raise TypeError("Final is final")


class NeedyMeta(type):
    def __new__(cls, name: str, bases: Any, names: Any, *, needed: int) -> "NeedyMeta":
        return super().__new__(cls, name, bases, {**names, "needed": needed})


class WithNeedyMeta(Exception, metaclass=NeedyMeta, needed=1):
    pass


def decode_error() -> UnicodeDecodeError:
    return UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "invalid start byte")


CASES: list[Exception] = [
    Exception("plain"),
    RuntimeError("runtime"),
    ValueError("wrong", 2),
    KeyError("missing"),
    ZeroDivisionError(),
    NotImplementedError("todo"),
    RecursionError("deep"),
    MemoryError("full"),
    AssertionError("not so"),
    AttributeError("none", name="a", obj=None),
    NameError("no", name="n"),
    ImportError("cannot", name="n", path="p"),
    SyntaxError("invalid", ("file", 1, 2, "a b")),
    OSError("only text"),
    OSError(errno.ENOENT, "No such file", "a path"),
    OSError(errno.EXDEV, "Crossing", "from", None, "to"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    BlockingIOError(errno.EAGAIN, "again"),
    TimeoutError("late"),
    EOFError("end"),
    decode_error(),
    UnicodeEncodeError("ascii", "\xe9", 0, 1, "ordinal not in range"),
    TwoArguments(7, "text"),
    OwnStr("text", 1),
    Slotted(7),
    OwnNew(needed=3),
    KeywordOnly(code=7),
    Frozen(7),
    OwnOSError(errno.EIO, "text", "one", None, "two"),
    WithMeta("meta"),
    FarsideError("nested"),
    IterableClosedError("nested"),
    WorkerIterationError("nested"),
    WorkerInitializationError("nested"),
    NotPicklableError("nested", item_index=1),
]
if sys.version_info >= (3, 11):
    CASES.append(ExceptionGroup("group", [ValueError(1), KeyError(2)]))  # noqa: F821
    INNER = ExceptionGroup("inner", [KeywordOnly(code=7)])  # noqa: F821
    CASES.append(ExceptionGroup("group", [TwoArguments(7, "text"), INNER]))  # noqa: F821
