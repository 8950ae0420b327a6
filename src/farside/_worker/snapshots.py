"""Takes snapshots of what the user iterates on now and then, and loads them.

By the convention of torch, an object has a state if it has ``state_dict`` and ``load_state_dict``.
"""

from __future__ import annotations

from time import monotonic

from .._payload import handlers
from .._protocol.progress import Snapshot
from ..errors import LinkClosedError
from .iterables import close_generators
from .passing import LeftError, Skips, pass_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

SECONDS = 0.05  # between two snapshots, at least

_TIMES = 100  # the pause after a snapshot is so many times as long as it took: one per cent


class Stateful:
    """An object of farside's whose state is that of an object of the user's."""

    @property
    def of(self) -> str:
        """The name of the class of that object."""
        raise NotImplementedError


def has_state(thing: object) -> bool:
    """Tell whether an object can return the state of its iteration, and continue from it."""
    kind = type(thing)
    tells = hasattr(kind, "state_dict") and hasattr(kind, "load_state_dict")
    return tells and not _has_buffer(thing)


def _has_buffer(thing: object) -> bool:
    """Tell whether a data set of Hugging Face shuffles in a buffer, which its state leaves out.

    Comparing the first item would not reveal that: where many are equal, it may match by chance.
    """
    if type(thing).__name__ == "BufferShuffledExamplesIterable":
        return True
    own = getattr(thing, "__dict__", {})
    parts = [own.get("_ex_iterable"), own.get("ex_iterable"), *(own.get("ex_iterables") or ())]
    return True in [_has_buffer(part) for part in parts if part is not None]


def begin(made: Any, state: bytes | None) -> tuple[Iterator[Any], Any]:
    """Begin to iterate on an iterable made for this pass alone, from a state if one is given.

    If the iterable has no state itself, its iterator may have one. Returns the iterator, and the
    object that has its state. If that is None, no state was loaded.
    """
    holder = made if has_state(made) else iter(made)
    if not has_state(holder):
        return holder, None
    if state is not None:
        load(holder, state)
    return iter(made) if holder is made else holder, holder


def load(holder: Any, state: bytes) -> None:
    from .._payload.user_states import thaw  # not in most passes

    holder.load_state_dict(thaw(state))


def continue_from(
    begin: Callable[[bytes | None], tuple[Iterator[Any], Any]],
    kept: tuple[int, bytes] | None,
    count: int,
    anchors: Iterable[tuple[int, bytes]],
    skips: Skips,
    *,
    of: str = "the iterable",
) -> tuple[Iterator[Any], Any]:
    """Begin to iterate, and pass over `count` items: from the state `kept`, if it is of use.

    A state that cannot be loaded, or does not lead to the same items, costs only time: all items
    are made again, from a new iterable. `begin` makes the iterable and loads a state; it returns
    the same as `begin` of this module. `kept` is how many items come before a state, and the state.
    """
    # A function of its own, whose frame keeps no iterable: two at a time may be too large.
    found = None if kept is None else _from_state(begin, kept, count, anchors, skips, of=of)
    if found is None:
        found = begin(None)
        pass_over(found[0], count, anchors, skips, of=of)
    return found


def _from_state(
    begin: Callable[[bytes | None], tuple[Iterator[Any], Any]],
    kept: tuple[int, bytes],
    count: int,
    anchors: Iterable[tuple[int, bytes]],
    skips: Skips,
    *,
    of: str,
) -> tuple[Iterator[Any], Any] | None:
    """Begin from a state, see `continue_from`; None: it is of no use, and the loggers were told."""
    (index, state), done = kept, skips.done
    opened: list[Any] = []
    try:
        iterator, holder = begin(state)
        opened.append(iterator)
        begun = None if holder is None else index
        skips.expect(index - (begun or 0))  # all of them if no state was loaded
        pass_over(iterator, count, anchors, skips, begun=begun, of=of, surely=begun is not None)
    except (LeftError, LinkClosedError):
        raise
    except Exception as error:
        if handlers.raised(error):
            raise
        from .._payload.one_line import one_line  # only when something fails

        why = one_line(error).partition(";")[0]
        skips.say(
            f"the state of {of} does not lead to the items that came after it, as far as can be "
            f"told ({why}), so the {count} items before are made again; let state_dict() return "
            "all of the state, or wrap the iterable in a generator, which has none",
            warning=True,
        )
        skips.expect(index + skips.done - done)
    else:
        return iterator, holder
    close_generators(opened)
    return None


class Snapshots:
    """Takes snapshots, so rarely that it costs little."""

    def __init__(self, tell: Callable[[Snapshot], object], say: Callable[..., object]) -> None:
        self._tell = tell
        self._say = say
        self._fails = False
        self.due = 0.0  # when to take the next one, in seconds of `monotonic`

    def begin(self) -> None:
        self.due = monotonic() + SECONDS

    def take(self, found: tuple[int, int, Any] | None) -> None:
        """Take a snapshot of what `Tasks.to_snapshot` has `found`, if anything."""
        if found is None or self._fails:
            self.due = monotonic() + SECONDS
            return
        from .._payload import user_states  # only where something has a state

        began, (shard, index, holder) = monotonic(), found
        try:
            state = holder.state_dict()
            if state is not None:
                self._tell(Snapshot(shard, index, user_states.freeze(state)))
        except LinkClosedError:
            raise
        except Exception as error:  # user code: nothing is lost but time, after a restart
            self._fails = True
            self._give_up(holder, error)
        now = monotonic()
        self.due = now + max(SECONDS, _TIMES * (now - began))

    def _give_up(self, holder: Any, error: Exception) -> None:
        from .._payload.one_line import one_line
        from .._payload.user_states import MOST_BYTES, StateTooLargeError

        name = holder.of if isinstance(holder, Stateful) else type(holder).__name__
        why = f"has failed ({one_line(error)})"
        if isinstance(error, StateTooLargeError):
            why = f"returned more than {MOST_BYTES} bytes"
        self._say(
            f"{name}.state_dict() {why}, so it is not called any more; a worker "
            "that goes on where another was makes the items before again",
            warning=True,
        )
