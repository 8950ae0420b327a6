"""SIGINT at a chosen place of farside's code, in this process."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import farside

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_HERE = os.path.dirname(farside.__file__) + os.sep


class Struck(NamedTuple):
    """What came of an interrupt."""

    reached: bool
    """Whether the work has got to the place; else it has ended before."""
    raised: bool
    """Whether KeyboardInterrupt came out of the work."""


def interrupt_at(place: int, work: Callable[[], object]) -> Struck:
    """Do some work in the main thread, and send SIGINT at a place of it.

    Places are where Python itself looks for signals: as a function of farside begins, and as a
    call of C code has come back to one. They are counted from 1.
    """
    count = 0

    def look(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(_HERE):
            count += 1
            if count == place:
                signal.raise_signal(signal.SIGINT)

    raised = False
    gc.disable()  # finalizers swallow exceptions
    sys.setprofile(look)
    try:
        work()
    except KeyboardInterrupt:
        raised = True
    finally:
        sys.setprofile(None)
        gc.enable()
    return Struck(count >= place, raised)
