"""Finds out whether an iterable yields the same each time, as resume and restart need it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice, zip_longest
from numbers import Integral
from typing import Any, NamedTuple

from .. import RemoteIterable
from .._payload import handlers
from .._payload.anchors import is_comparable, of_item
from .._payload.encoder import Encoder
from .._payload.one_line import one_line
from ..errors import ExhaustedIteratorWarning, NotPicklableError, ReplayDivergedError
from . import fresh_workers

HINTS = {
    "pass before": (
        "a pass depends on the passes before it: what the iterable keeps, such as a random "
        "generator or an iterator, must be made anew in each pass"
    ),
    "generator": (
        "it draws from a global random generator; make one from the seed and the epoch that "
        "get_worker_info() tells, or from its shard_seed where there are shards"
    ),
    "hash": "it depends on the order of a set, or on hash(): sort what comes out of a set",
    "time": (
        "it depends on something outside, such as the time, a process number, files that change, "
        "or a random generator that was made without a seed; or on which of its threads is first: "
        "take their results in the order of the inputs, and ask get_worker_info() before, not in "
        "them"
    ),
    "resume": (
        "a pass that goes on in the middle, in other workers, differs: state_dict() does "
        "not tell the whole state, or a shard depends on those read before it in the same worker, "
        "or on the number of workers"
    ),
}
"""The ways in which an iterable can differ, and the cure for each."""


MISSING: Any = object()  # stands for the items that the shorter of two passes lacks
_PAUSE = 0.1  # seconds after which a worker takes a snapshot, with its next item


class Difference(NamedTuple):
    """The result of `find_difference`."""

    way: str  # one of `HINTS`
    item: int  # index of the first item that differs
    first: Any  # the item of the first pass, or `MISSING` if there was none
    second: Any  # the item of the second pass, likewise


def check_replay(
    fn: Callable[..., Any],
    shards: Sequence[Any] | int | None = None,
    *,
    setup: Callable[[], Any] | None = None,
    limit: int = 1000,
) -> None:
    """Check that an iterable yields the same each time, so that it can be resumed and restarted.

    Passes are run in several workers: two passes in one, the second pass alone in a fresh one, a
    pass that is left early, and one that is resumed in the middle (by two workers, if there are
    shards). Then the items of these passes are compared.

    Args:
        fn: the function for `iterate_in_worker`, or with ``shards`` for `iterate_in_workers`. A
            process must be able to import it.
        shards: see `iterate_in_workers`; None: there are none.
        setup: see `iterate_in_workers`.
        limit: how many items of a pass to compare. Default: 1000.

    Raises:
        TypeError, ValueError: an argument is wrong, or there is ``setup`` without ``shards``.
        ReplayDivergedError: two passes differ. The message says in which item, and most probably
            why.
        NotPicklableError: an item does not pickle in this process, and is not equal to that of the
            other pass either.

    Example:
        >>> from functools import partial
        >>> from farside.testing import check_replay
        >>> check_replay(partial(range, 100))
    """
    found = find_difference(fn, shards, setup=setup, limit=limit)
    if found is not None:
        raise ReplayDivergedError(
            f"the item of index {found.item} was {_short(found.first)}, and the next time "
            f"{_short(found.second)}: {HINTS[found.way]}"
        )


def find_difference(
    fn: Callable[..., Any],
    shards: Sequence[Any] | int | None = None,
    *,
    setup: Callable[[], Any] | None = None,
    limit: int = 1000,
    timeout: float | None = None,
) -> Difference | None:
    """Return the first difference between passes of an iterable, or None; see `check_replay`."""
    cure = "pass a whole number of items, 1 or more"
    if isinstance(limit, bool) or not isinstance(limit, Integral):
        raise TypeError(f"limit={limit!r} is not a whole number; {cure}")
    if limit < 1:
        raise ValueError(f"limit={limit!r} is below 1; {cure}")
    if setup is not None and shards is None:
        raise ValueError("setup is for shards; pass shards too, or call it in fn")
    start = partial(fresh_workers.start, fn, shards, setup, timeout)
    run = partial(_run, start, limit)
    first, second = run([0, 1], hash_seed=1)
    (again,) = run([0], hash_seed=1)
    if differs := _compare("time", first, again):
        (seeded,) = run([0], hash_seed=1, seeded=True)
        (once_more,) = run([0], hash_seed=1, seeded=True)
        same = _compare("generator", seeded, once_more) is None
        return differs._replace(way="generator") if same else differs
    (other,) = run([0], hash_seed=2)
    if differs := _compare("hash", first, other):
        return differs
    half = max(1, len(first) // 2)
    resumed = first[:half] + _resume(start, limit - half, half) if first else []
    if differs := _compare("resume", first, resumed):
        return differs
    try:
        (alone,) = run([1], hash_seed=1)
    except ReplayDivergedError:  # the worker refuses the second pass for only one reason
        return None  # a one-shot iterator has no later passes
    left = run([0, 1], hash_seed=1, leave=half)[1]
    return _compare("pass before", second, alone) or _compare("pass before", second, left)


def is_one_shot(fn: Callable[..., Any], *, timeout: float | None = None) -> bool:
    """Tell whether a worker, once it has begun a pass, can begin no other: see `check_replay`."""
    try:
        _run(partial(fresh_workers.start, fn, None, None, timeout), 1, [1], hash_seed=1)
    except ReplayDivergedError:  # the worker refuses the second pass for only one reason
        return True
    return False


def _run(
    start: Callable[..., RemoteIterable[Any]],
    limit: int,
    epochs: Sequence[int],
    *,
    hash_seed: int,
    seeded: bool = False,
    leave: int | None = None,
) -> list[list[Any]]:
    """Run passes of these epochs in one fresh worker, and return the items of each."""
    passes = []
    with (
        warnings.catch_warnings(),
        fresh_workers.hash_seed(hash_seed),
        start(seeded=seeded) as iterable,
    ):
        warnings.simplefilter("ignore", ExhaustedIteratorWarning)
        if epochs[0]:
            iterable.load_state_dict({**iterable.state_dict(), "epoch": epochs[0]})
        for number, _ in enumerate(epochs):
            most = leave if leave is not None and number < len(epochs) - 1 else limit
            passes.append(list(islice(iterable, most)))
    return passes


def _resume(start: Callable[..., RemoteIterable[Any]], limit: int, count: int) -> list[Any]:
    """Take so many items of a pass, resume it in other workers, and return the items from there."""
    with fresh_workers.hash_seed(1), start(buffer_size=1) as iterable:
        for index, _ in enumerate(iterable, 1):
            if index == count:
                break
            if count - 8 <= index < count - 4:
                time.sleep(_PAUSE)  # so that the loop's state has a snapshot of a later item
        state = iterable.state_dict()
    with fresh_workers.hash_seed(1), start(num_workers=2, verify_replay=False) as iterable:
        iterable.load_state_dict(state)
        return list(islice(iterable, limit))


def _compare(way: str, first: list[Any], second: list[Any]) -> Difference | None:
    """Return the first difference, if there is one; `way` says what it would mean."""
    encoder = Encoder(None)
    for index, (one, other) in enumerate(zip_longest(first, second, fillvalue=MISSING)):
        missing = one is MISSING or other is MISSING
        if missing or not _alike(index, one, other, encoder):
            return Difference(way, index, one, other)
    return None


def _alike(index: int, one: Any, other: Any, encoder: Encoder) -> bool:
    """Tell whether two items are the same to a worker that resumes a pass, which compares pickles.

    So ``1`` and ``1.0`` differ, and so do dictionaries in another order. Where pickles say nothing,
    as with sets, the items themselves are compared.
    """
    try:
        if not of_item(one, encoder).isdisjoint(of_item(other, encoder)):
            return True
        if is_comparable(one, encoder):
            return False
    except Exception as error:  # the item pickles only in the worker
        if handlers.raised(error):
            raise
        if not _equal(one, other):
            text = (
                f"the item of index {index} cannot be compared: it does not pickle in this process "
                f"({one_line(error)}); register its reducer at the top of the module that has its "
                "class, or give that an __eq__ by which it is equal to that of the other pass"
            )
            raise NotPicklableError(text, item_index=index) from error
        return True
    return _equal(one, other)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # arrays in it have no single truth value; their bytes were compared
        return False


def _short(value: Any) -> str:
    if value is MISSING:
        return "missing"
    try:
        text = repr(value).replace("\n", " ")
    except Exception as error:
        text = f"({one_line(error)})"
    return text if len(text) <= 80 else f"{text[:77]}..."
