"""Checks what users give to the entry points with several workers, and starts these workers."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from .._backends.preparation import main_goes_by_value
from .._protocol.order import Sharding, count_of
from .._worker.iterables import length_of
from .._worker.mapper import Mapper
from .._worker.shards import ShardReader
from .checks import MAX_LEN, check_callable, count, flag, limit, shown
from .defaults import MAP_BUFFER_BYTES
from .iterable import RemoteIterable
from .options import Options, check, check_setup
from .passes.batches import Plan
from .passes.fingerprint import fingerprint
from .passes.inputs import Inputs
from .passes.sequence import Given
from .passes.sharded import Shards, tell_of_idle_workers

R = TypeVar("R", bound=RemoteIterable[Any])

CYCLE_LENGTH = 16  # default of ``cycle_length``, if there are that many shards
ON_ERROR = ("raise", "return", "skip")
NO_END = 1 << 62  # ``max_restarts`` of a map, where an input that kills workers fails


def iterate_shards(
    fn: Any,
    shards: Any,
    num_workers: Any,
    *,
    setup: Any,
    in_order: Any,
    cycle_length: Any,
    shuffle_shards: Any,
    rank: Any,
    world_size: Any,
    length: Any,
    options: dict[str, Any],
    unit: str | None = None,
    identity: Any = None,
    same: str | None = None,
    before_pass: Callable[[int], object] | None = None,
    kind: type[R] = RemoteIterable,  # type: ignore[assignment]  # python/mypy#3737
) -> R:
    """Check what the user gave, and start the workers.

    `unit` is the name of a shard in messages. If it is given, each shard has one item,
    `cycle_length` only decides which worker makes it, and all ranks have the same number of shards.
    The fingerprint is made of `identity` instead of the shards, if that is given; `same` is its
    name in messages, which call a shard a part then. `before_pass` is called with the epoch of each
    pass that begins. The result is of the class `kind`.
    """
    check_callable("fn", fn, "a function that takes a shard")
    check_setup(setup)
    contents, number = _shards(shards)
    workers = count("num_workers", num_workers, "workers", 0)
    size = count("world_size", world_size, "ranks")
    sharding = Sharding(
        number,
        _cycle(_even(workers) if unit else cycle_length, number),
        flag("shuffle_shards", shuffle_shards),
        0,
        _rank(rank, size),
        size,
        even=unit is not None,
    )
    ordered = flag("in_order", in_order)
    own = count_of(sharding)
    slots = sharding.cycle_length if ordered else own
    tell_of_idle_workers(slots, own, workers, unit)
    noun = unit or ("part" if same else "shard")
    several = options_of_workers(workers, ShardReader(fn, setup, contents, noun), options)
    first = several[0]
    given = Given(
        first.seed,
        first.verify_replay,
        seed_given=first.seed_given,
        cycle_given=cycle_length is not None,
        fingerprint=fingerprint(contents if identity is None else [identity]),
        same=same,
    )
    sequence = Shards(
        given,
        sharding._replace(seed=first.seed),
        len(several),
        in_order=ordered,
        counting=first.counts_items,
        length=None if length is None else count("length", length, "items", 0, MAX_LEN),
        unit=unit,
        noun=noun,
        contents=contents,
        before_pass=before_pass,
    )
    return kind(*several, sequence=sequence)


def map_inputs(
    function: Any,
    items: Any,
    num_workers: Any,
    *,
    setup: Any,
    flat: Any,
    in_order: Any,
    task_timeout: Any,
    retries: Any,
    on_error: Any,
    options: dict[str, Any],
) -> RemoteIterable[Any]:
    """Check what the user gave, and start the workers."""
    check_callable("function", function, "a function that takes an input")
    check_setup(setup)
    if not isinstance(items, (Iterable, AsyncIterable)) and not hasattr(type(items), "__getitem__"):
        raise TypeError(f"items={shown(items)} is not iterable; pass the inputs, such as a list")
    if on_error not in ON_ERROR:
        known = ", ".join(map(repr, ON_ERROR))
        raise ValueError(f"on_error={on_error!r} is not known; pass one of {known}")
    workers = count("num_workers", num_workers, "workers", 0)
    mapper = Mapper(function, setup, flat=flag("flat", flat), timed=task_timeout is not None)
    several = options_of_mappers(workers, mapper, options, task_timeout, retries)
    first = several[0]
    plan = Plan(
        len(several),
        flat,
        flag("in_order", in_order),
        (first.buffer_size or 0) + len(several) if first.counts_items else None,
        first.buffer_bytes,
        on_error,
        first.retries,
        main_goes_by_value(first),
    )
    given = Given(first.seed, seed_given=first.seed_given)
    return RemoteIterable(*several, sequence=Inputs(items, plan, given))


def options_of_mappers(
    workers: int, mapper: Mapper, options: dict[str, Any], task_timeout: Any, retries: Any
) -> list[Options]:
    """Check and make the options of workers that are given their tasks one after the other."""
    given = {"buffer_bytes": MAP_BUFFER_BYTES, **options}
    several = options_of_workers(workers, mapper, given)
    own: dict[str, Any] = {
        "task_timeout": limit("task_timeout", task_timeout, "for no limit"),
        "retries": count("retries", retries, "tries", 0),
    }
    return [replace(each, sends_inputs=True, max_restarts=NO_END, **own) for each in several]


def options_of_workers(workers: int, fn: Any, options: dict[str, Any]) -> list[Options]:
    """Check the options that users give for all workers, and make those of each worker."""
    given, number = dict(options), workers or 1  # for 0 there is one, in the thread that loops
    if not workers:
        given["backend"] = "inline"
    env = given.pop("env", None)
    own = env if callable(env) else lambda _: env
    several = [check(fn, env=own(index), **given) for index in range(number)]
    first = several[0]
    return [
        replace(
            each,
            seed=first.seed,
            name=None if first.name is None else f"{first.name}-{index}",
            worker_index=index,
            worker_count=number,
        )
        for index, each in enumerate(several)
    ]


def _shards(value: Any) -> tuple[Sequence[Any] | None, int]:
    """Return the shards (None if they are numbers), and how many there are."""
    cure = "pass a sequence, such as a list of paths, or the number of shards"
    kind = type(value)
    if hasattr(kind, "__index__") and kind is not bool and length_of(value) is None:
        return None, count("shards", value, "shards", 0, MAX_LEN)  # an array has an index and a len
    indexed = hasattr(kind, "__len__") and hasattr(kind, "__getitem__")
    if not indexed or isinstance(value, (str, bytes, Mapping)):
        raise TypeError(f"shards={shown(value)} is not a sequence of shards; {cure}")
    # A table of pandas, Polars or Arrow. The check of `len` below would miss one that has as many
    # rows as columns.
    if hasattr(kind, "columns") and (hasattr(kind, "iloc") or hasattr(kind, "schema")):
        raise TypeError(f"shards={shown(value)} is a table, and gives its columns; {cure}")
    # No more than `len`, since data sets of PyTorch may return an item for any index.
    number = len(value)
    kept = value if isinstance(value, range) else list(islice(value, number))
    if len(kept) != number:  # a table gives its columns, not its rows
        raise TypeError(
            f"shards={shown(value)} has a len() of {number}, and gives {len(kept)} shards; {cure}"
        )
    return kept, number


def _even(workers: int) -> int:
    """Return a number of slots that can be dealt evenly to the workers."""
    each = max(1, workers)
    return each * max(1, CYCLE_LENGTH // each)


def _cycle(value: Any, shards: int) -> int:
    if value is None:
        return max(1, min(CYCLE_LENGTH, shards))
    return count("cycle_length", value, "shards")


def _rank(value: Any, size: int) -> int:
    number = count("rank", value, "ranks", 0)
    if number >= size:
        cure = f"pass 0 to {size - 1}" if size > 1 else "pass the number of processes as world_size"
        raise ValueError(f"rank={value!r} is not below world_size={size}; {cure}")
    return number
