"""Finds out whether an iterable can be resumed and restarted: whether it is the same each time."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import iterate_in_worker, iterate_in_workers
from .._payload.anchors import of_item
from .._payload.encoder import Encoder
from .._payload.one_line import one_line
from ..errors import ExhaustedIteratorWarning, ReplayDivergedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .. import RemoteIterable

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
    "time": "it depends on something outside: the time, a process number, files that change",
}
"""In which ways an iterable can differ, and what helps."""


class Difference(NamedTuple):
    """What `find_difference` has found."""

    way: str
    """One of `HINTS`."""
    item: int
    """Index of the first item that differs."""
    first: Any
    """It, as it was first, or None if there was none."""
    second: Any
    """And the second time."""


def check_replay(
    fn: Callable[..., Any],
    shards: Sequence[Any] | int | None = None,
    *,
    setup: Callable[[], Any] | None = None,
    limit: int = 1000,
) -> None:
    """Check that an iterable is the same each time, so that it can be resumed and restarted.

    Its passes are run in several workers: two passes in one, the second pass alone in a fresh one,
    and a pass that is left early. What they yield is compared.

    Args:
        fn: as `iterate_in_worker` takes it, or with ``shards`` as `iterate_in_workers` does. It
            must be importable in a process.
        shards: see `iterate_in_workers`; None: there are none.
        setup: see `iterate_in_workers`.
        limit: how many items of a pass to compare.

    Raises:
        ValueError: ``limit`` is below 1, or there is ``setup`` without ``shards``.
        ReplayDivergedError: it is not the same. The message says what differs, and most probably
            why.

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
    """Return in which way an iterable differs from time to time, or None; see `check_replay`."""
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit={limit!r} is no number of items; pass 1 or more")
    if setup is not None and shards is None:
        raise ValueError("setup is for shards; pass shards too, or call it in fn")
    start = partial(_start, fn, shards, setup, timeout)
    run = partial(_run, start, limit)
    first, second = run([0, 1], hash_seed=1)
    (again,) = run([0], hash_seed=1)
    differs = _compare(first, again)
    if differs is not None:
        (seeded,) = run([0], hash_seed=1, seeded=True)
        (once_more,) = run([0], hash_seed=1, seeded=True)
        way = "generator" if _compare(seeded, once_more) is None else "time"
        return Difference(way, *differs)
    (other,) = run([0], hash_seed=2)
    differs = _compare(first, other)
    if differs is not None:
        return Difference("hash", *differs)
    try:
        (alone,) = run([1], hash_seed=1)
    except ReplayDivergedError:  # the worker refuses it for one reason
        return None  # a one-shot iterator: there are no later passes
    left = run([0, 1], hash_seed=1, leave=max(1, len(first) // 2))[1]
    differs = _compare(second, alone) or _compare(second, left)
    return None if differs is None else Difference("pass before", *differs)


def _run(
    start: Callable[..., RemoteIterable[Any]],
    limit: int,
    epochs: Sequence[int],
    *,
    hash_seed: int,
    seeded: bool = False,
    leave: int | None = None,
) -> list[list[Any]]:
    """Return the items of some passes, which one fresh worker makes."""
    passes = []
    with (
        warnings.catch_warnings(),
        _hash_seed(hash_seed),
        start(seeded=seeded) as iterable,
    ):
        warnings.simplefilter("ignore", ExhaustedIteratorWarning)
        if epochs[0]:
            iterable.load_state_dict({**iterable.state_dict(), "epoch": epochs[0]})
        for number, _ in enumerate(epochs):
            most = leave if leave is not None and number < len(epochs) - 1 else limit
            passes.append([item for _, item in zip(range(most), iterable)])  # noqa: B905  not all
    return passes


def _start(
    fn: Callable[..., Any],
    shards: Sequence[Any] | int | None,
    setup: Callable[[], Any] | None,
    timeout: float | None,
    *,
    seeded: bool,
) -> RemoteIterable[Any]:
    options: Any = {
        "backend": "subprocess",
        "mp_context": "spawn",  # that alone reads PYTHONHASHSEED
        "seed": 1,
        "initializer": _seed_all if seeded else None,
        "timeout": timeout,
    }
    if shards is None:
        return iterate_in_worker(fn, **options)
    return iterate_in_workers(fn, shards, 1, setup=setup, **options)


def _seed_all() -> None:
    import random
    import sys

    random.seed(0)
    with suppress(ImportError):
        import numpy as np  # also where fn imports it later

        np.random.seed(0)  # noqa: NPY002  it is the global one that is looked for
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)


@contextmanager
def _hash_seed(seed: int) -> Iterator[None]:
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def _compare(first: list[Any], second: list[Any]) -> tuple[int, Any, Any] | None:
    """Return the first difference, if there is one: its index, and both items."""
    encoder = Encoder(None)
    for index, (one, other) in enumerate(zip(first, second)):  # noqa: B905  compared below
        if of_item(one, encoder).isdisjoint(of_item(other, encoder)) and not _equal(one, other):
            return index, one, other
    if len(first) == len(second):
        return None
    index = min(len(first), len(second))
    return index, dict(enumerate(first)).get(index), dict(enumerate(second)).get(index)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # arrays in it: their bytes have been compared
        return False


def _short(value: Any) -> str:
    try:
        text = repr(value).replace("\n", " ")
    except Exception as error:
        text = f"({one_line(error)})"
    return text if len(text) <= 80 else f"{text[:77]}..."
