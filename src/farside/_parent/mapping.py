"""What `map_in_workers` is given, checked."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import replace
from typing import Any

from .._worker.mapper import Mapper
from .batches import Plan
from .inputs import Inputs
from .iterable import RemoteIterable
from .options import Options, check_setup, count, flag, limit
from .sequence import Given
from .several import options_of_workers

ON_ERROR = ("raise", "return", "skip")

NO_END = 1 << 62
"""How many times workers are started again: as often as they die. What kills them is given up."""


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
    if not callable(function):
        raise TypeError(
            f"function={function!r} is not callable; pass a function that takes an input"
        )
    check_setup(setup)
    if not isinstance(items, (Iterable, AsyncIterable)) and not hasattr(type(items), "__getitem__"):
        raise TypeError(f"items={items!r} is not iterable; pass the inputs, such as a list")
    if on_error not in ON_ERROR:
        known = ", ".join(map(repr, ON_ERROR))
        raise ValueError(f"on_error={on_error!r} is not known; pass one of {known}")
    seconds = limit("task_timeout", task_timeout, "for no limit")
    workers = count("num_workers", num_workers, "workers", 0)
    several = options_of_workers(workers, function, options)
    first = several[0]
    counting = first.counts_items
    plan = Plan(
        len(several),
        flag("flat", flat),
        flag("in_order", in_order),
        (first.buffer_size or 0) + len(several) if counting else None,
        first.buffer_bytes,
        on_error,
        count("retries", retries, "tries", 0),
    )
    mapper: Any = Mapper(function, setup, flat=plan.flat, timed=seconds is not None)
    several = [options_of_mapper(each, mapper, seconds) for each in several]
    given = Given(first.seed, seed_given=first.seed_given)
    sequence = Inputs(items, plan, given, counting=counting)
    return RemoteIterable(*several, sequence=sequence)


def options_of_mapper(options: Options, mapper: Any, task_timeout: float | None) -> Options:
    """Return the options of a worker that is given its tasks one after the other."""
    return replace(
        options, fn=mapper, task_timeout=task_timeout, sends_inputs=True, max_restarts=NO_END
    )
