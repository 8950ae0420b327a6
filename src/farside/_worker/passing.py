"""Makes items again that the loop has had, and drops them, after a resume or a restart."""

from __future__ import annotations

from itertools import count as count_up
from itertools import islice, takewhile
from time import monotonic

from .._in_c import deque
from .._protocol.progress import Skipped
from ..errors import ReplayDivergedError
from . import forward
from .iterables import resumable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_CURE = (
    "a pass must be the same each time: use the code, the data and the batch size of before, and "
    "draw random numbers from the seed and the epoch that get_worker_info() tells"
)

_SHOWN = 100  # characters of an item that are shown
TELL_SECONDS = 0.05  # between two reports to the parent, whose `timeout` begins anew at each
SAY_SECONDS = (2.0, 10.0)  # until the first message to the loggers, and between later ones

_CHUNK_SECONDS = 0.01


class LeftError(Exception):
    """A command that ends the pass waits."""


class Skips:
    """Counts the items of a pass that are made again, and reports the count now and then."""

    def __init__(
        self,
        tell: Callable[[Skipped], object],
        say: Callable[..., object],
        is_left: Callable[[], bool],
    ) -> None:
        self._tell = tell
        self.say = say  # tells the loggers
        self._is_left = is_left
        self.begin()

    def begin(self) -> None:
        self.done = self._total = 0
        self._seconds = 0.0
        self._told_at, self._log_at = 0.0, SAY_SECONDS[0]

    def expect(self, count: int) -> None:
        self._total += count

    def drop(self, source: Iterator[Any], count: int) -> int:
        """Drop `count` items; return how many there were. Raise `LeftError` if the pass is left."""
        dropped = 0
        while dropped < count:
            began = monotonic()
            found = _drop(source, count - dropped, began + _CHUNK_SECONDS)
            if not found:
                break  # there are no more
            dropped += found
            self._advance(found, monotonic() - began)
        return dropped

    def take(self, source: Iterator[Any]) -> list[Any]:
        """Return one item, which counts as dropped, or none at the end. Raises as `drop` does."""
        began = monotonic()
        found = [*islice(source, 1)]
        self._advance(len(found), monotonic() - began)
        return found

    def _advance(self, count: int, seconds: float) -> None:
        self.done += count
        self._seconds += seconds
        over = self.done == self._total
        if not over and self._seconds - self._told_at < TELL_SECONDS:
            return
        if self._is_left():  # first: it ends a forked child, which must not send anything
            raise LeftError
        self._told_at = self._seconds
        self._tell(Skipped(self.done, self._total, self._seconds))
        if self._seconds >= self._log_at or (over and self._log_at > SAY_SECONDS[0]):
            self._log_at = self._seconds + SAY_SECONDS[1]
            self.say(self._line())

    def _line(self) -> str:
        rate, left = self.done / self._seconds, self._total - self.done
        return (
            f"skipped {self.done} of {self._total} items that came before, in "
            f"{self._seconds:.0f} s ({rate:.0f} items/s); {left} left"
            + (f", about {left / rate:.0f} s" if left and rate else "")
        )


def pass_over(
    iterator: Iterator[Any],
    count: int,
    anchors: Iterable[tuple[int, bytes]],
    skips: Skips,
    *,
    begun: int | None = None,
    of: str = "the iterable",
    surely: bool = False,
) -> None:
    """Drop the first `count` items of an iterable, and compare some with what they were.

    What user code logs meanwhile is dropped, since it has logged that before. If a state was
    loaded, `begun` is the index of the first item that the iterator makes. `anchors` has an index
    and a digest for each item to compare, by ascending index. `of` names the iterable in messages.

    Raise `ReplayDivergedError` if there are fewer items, or others; with `surely`, also if an item
    cannot be compared. Raise `LeftError` if the pass is left meanwhile.
    """
    loaded = "" if begun is None else "; what load_state_dict() loaded may be to blame too"
    source, passed = resumable(iterator), begun or 0
    try:
        forward.mute(on=True)
        for index, digest in anchors:
            passed += skips.drop(source, index - passed)
            for item in skips.take(source) if passed == index else ():
                passed += 1
                cure = f"{_CURE}; or pass verify_replay=False{loaded}"
                _compare(item, digest, index, of, cure, surely=surely)
        passed += skips.drop(source, count - passed)
    finally:
        forward.mute(on=False)
    if passed < count:
        raise _diverged(
            f"{of} ended after {passed} items, where {count} were read before; {_CURE}{loaded}",
            passed,
        )


def _drop(source: Iterator[Any], count: int, end: float) -> int:
    """Drop up to `count` items, but no more once the time is `end`; return how many."""
    numbers = count_up()
    times = takewhile(end.__gt__, iter(monotonic, None))  # looked at after each item, in C alone
    deque(zip(islice(source, count), numbers, times, strict=False), maxlen=0)
    return next(numbers)


def _compare(item: Any, digest: bytes, index: int, of: str, cure: str, *, surely: bool) -> None:
    from .._payload.anchors import is_comparable, of_item  # not in most passes
    from .._payload.encoder import Encoder

    encoder = Encoder(None)
    if digest in of_item(item, encoder):
        return
    what = f"the item of index {index} of {of}"
    if is_comparable(item, encoder):
        text = repr(item)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} (and so on)"
        raise _diverged(f"{what} differs from before: it is {shown}; {cure}", index)
    if surely:
        raise _diverged(f"{what} cannot be compared, as its pickle differs each time", index)


def _diverged(message: str, index: int) -> ReplayDivergedError:
    """Make the error for the item of this index, which is not the one that the loop waits for."""
    error = ReplayDivergedError(message)
    vars(error)["item_index"] = index
    return error
