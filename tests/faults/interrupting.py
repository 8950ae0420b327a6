"""A signal at a chosen place of farside's code, in this process."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import farside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_HERE = os.path.dirname(farside.__file__) + os.sep


class Struck(NamedTuple):
    """What came of a signal."""

    reached: bool
    """Whether the work has got to the place; else it has ended before."""
    raised: bool
    """Whether what its handler raises came out of the work."""


class Alarm(Exception):
    """What a handler of another signal than SIGINT raises."""


@contextmanager
def alarming(number: signal.Signals = signal.SIGUSR1) -> Iterator[None]:
    """Let a signal raise `Alarm`; farside does not defer SIGUSR1."""

    def alarm(*_: object) -> NoReturn:
        raise Alarm

    before = signal.signal(number, alarm)
    try:
        yield
    finally:
        signal.signal(number, before)


def strike_at(
    place: int,
    work: Callable[[], object],
    number: signal.Signals = signal.SIGINT,
    error: type[BaseException] = KeyboardInterrupt,
) -> Struck:
    """Do some work in the main thread, and send a signal, whose handler raises, at a place of it.

    Places are where Python itself looks for signals: as a function of farside begins, and as a
    call of C code has come back to one. They are counted from 1.
    """
    count = 0

    def look(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(_HERE):
            count += 1
            if count == place:
                del frame  # or `handlers.raised` would take this function for the signal handler
                signal.raise_signal(number)

    raised = False
    gc.disable()  # finalizers swallow exceptions
    sys.setprofile(look)
    try:
        work()
    except error:
        raised = True
    finally:
        sys.setprofile(None)
        gc.enable()
    return Struck(count >= place, raised)


def struck_everywhere(work: Callable[[], object]) -> int:
    """Let SIGUSR1 strike at each place of some work; return their number. Each has to raise."""
    places = 0
    with alarming():
        while strike_at(places + 1, work, signal.SIGUSR1, Alarm).raised:
            places += 1
        assert not strike_at(places + 1, work, signal.SIGUSR1, Alarm).reached
    return places
