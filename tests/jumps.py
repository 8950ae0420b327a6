"""Exceptions that strike as a loop begins again: there Python looks for signals."""

from __future__ import annotations

import dis
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType


class StruckError(Exception):
    """Stands for what a signal handler raises."""


def struck(number: int, work: Callable[[], object], *modules: ModuleType) -> bool:
    """Do some work, and let an exception strike; tell whether it has.

    It strikes at a jump back in these modules, after so many others. Python 3.13 and 3.14 do not
    run the ``finally`` of every loop for it.
    """
    files, left = [module.__file__ for module in modules], number

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and "BACKWARD" in dis.opname[frame.f_code.co_code[frame.f_lasti]]:
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise StruckError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except StruckError:
        return True
    finally:
        sys.settrace(before)
    return False
