"""Reads the frames that have arrived from a worker, for the parent, without ever waiting."""

from __future__ import annotations

import errno
import os
from collections import deque
from itertools import islice
from time import monotonic

from .._system.descriptors import Descriptor
from ..errors import LinkClosedError, ProtocolError
from .frames import Decoder, Frame
from .writer import check_gone

_STREAMING_BYTES = 1024
"""A frame of at least so many bytes, without blocks, is taken as a sign that many follow: the
worker makes small items faster than the parent can be woken for each."""

_QUICK_SECONDS = 100e-6  # an item that comes so soon after the one before is a quick one

_QUICK_ITEMS = 16
"""So many quick items in a row are such a sign too. Sending each by itself, and waking the parent
for it, costs 10 to 30 µs on both sides together, most of it in the parent."""

_READS = 16  # of the pipe in a row, at most: about 1 ms, as the worker may keep filling it


class FrameReader:
    """Reads frames from a non-blocking pipe. One thread at a time reads, with signals deferred."""

    def __init__(self, end: Descriptor, decoder: Decoder) -> None:
        self.end = end
        self.streaming = False  # whether the latest frame looked like one of many that come fast
        self._quick = 0  # how many items in a row came fast
        self._came = 0.0  # when the latest frame came
        self._decoder = decoder
        self._busy = False
        self._in_step = True
        self._culprit = "an exception of a signal handler"

    def read(self, into: deque[Frame]) -> bool:
        """Read until a frame is complete or nothing is left; return whether more may be there.

        This raises what `Link.read` does.
        """
        if not self._in_step:
            raise ProtocolError(f"{self._culprit} struck while frames were read")
        before, count, came = len(into), 1, 0
        fd = self.end.fileno()
        self._in_step, self._busy = False, True
        try:
            for _ in range(_READS):
                count = os.readv(fd, [self._decoder.buffer()])
                if not count:
                    break
                self._decoder.filled(count, into)
                came = len(into) - before
                if came:
                    break
        except BlockingIOError:
            self._in_step = True
            return False
        except OSError as error:  # a signal handler may have closed this side
            self._in_step = error.errno == errno.ENOMEM  # in that case, nothing was read
            check_gone(error)
            raise LinkClosedError("this side was closed") from None
        except MemoryError:  # no room for a large frame. The next call raises ProtocolError
            self._culprit = "want of memory in this process"
            raise
        finally:
            self._busy = False
        # Anything else that was raised between reading and decoding (by the handler of a signal
        # that is not deferred) leaves the stream out of step; then no later frame is trusted.
        self._in_step = True
        if not count:
            cut = " in the middle of a frame" if self._decoder.partial else ""
            raise LinkClosedError(f"the worker's stream has ended{cut}")
        if came:
            last = into[-1]
            new = islice(into, before, None)
            self._look_at(last, last.items if came == 1 else sum([each.items for each in new]))
        return True

    def _look_at(self, last: Frame, items: int) -> None:
        """Judge whether items come fast: `items` have just come, the last of them in `last`."""
        before, self._came = self._came, monotonic()
        fast = self._came - before <= items * _QUICK_SECONDS
        self._quick = self._quick + items if fast else 0
        large = len(last.body) >= _STREAMING_BYTES and not last.blocks
        self.streaming = large or self._quick >= _QUICK_ITEMS

    def close(self) -> bool:
        """Close the end, once, and release memory; in the middle of `read`, return False."""
        self.end.close()
        if self._busy:  # a signal handler may close in the middle of `read`
            return False
        self._decoder.close()
        return True
