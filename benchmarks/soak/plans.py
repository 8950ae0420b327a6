"""Draws from a seed what a step of a soak does."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from farside.options import START_METHODS

from . import items

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

ANYWHERE = ("initializer", "fn", "iter", "next", "pickle")
"""Faults of user code."""

PROCESS_ONLY = ("SIGKILL", "SIGTERM", "exit", "timeout", "kill from outside", "terminate")
"""Faults that would end the whole process, or could not be ended, with other workers."""

FAULTY = 0.45
"""Share of workers that fail."""

FROM_OUTSIDE = ("close from a thread", "drop")


@dataclass(frozen=True)
class Plan:
    """One worker's life.

    Attributes:
        backend: name of the kind.
        seed: of its items.
        count: items of a pass.
        kinds: of items.
        fault: what ends the worker before its time, or "".
        at: the item before or after which it does so.
        options: of the worker.
        passes: what is done in each pass.
    """

    backend: str
    seed: int
    count: int
    kinds: tuple[str, ...]
    fault: str
    at: int
    options: dict[str, Any]
    passes: tuple[str, ...]


PASSES = ("all", "all", "all", "leave", "leave", "supersede", "keep", "unused", "async", "call")


def draw(rng: Random, backends: Sequence[str]) -> list[Plan]:
    """Draw a step: one plan, or several for workers at the same time.

    Several run in threads, and a process that has threads is not forked.
    """
    count = rng.choice([1, 1, 1, 1, 2, 3])
    if count > 1:
        backends = [name for name in backends if name != "fork"] or ["spawn"]
    return [plan(rng, backends) for _ in range(count)]


def plan(rng: Random, backends: Sequence[str]) -> Plan:
    """Draw a plan."""
    backend = rng.choice(backends)
    is_process = backend in START_METHODS
    faults = [*ANYWHERE, *FROM_OUTSIDE]
    if is_process:
        faults += PROCESS_ONLY
    if backend == "inline":
        faults = list(ANYWHERE)
    fault = rng.choice(faults) if rng.random() < FAULTY else ""
    count = rng.choice([0, 1, 7, 40, 40, 400])
    kinds = set(rng.sample(items.KINDS, rng.randint(1, len(items.KINDS))))
    if not find_spec("numpy") or not is_process:  # it does not load in a subinterpreter
        kinds.discard("numpy")
    options: dict[str, Any] = {
        "buffer_size": rng.choice([None, None, 1, 2, 10, 1000]),
        "buffer_bytes": rng.choice([1, 5_000, 1 << 20, 1 << 24]),
        "arena_bytes": rng.choice([0, 4096, 1 << 20, 1 << 24, 1 << 30]),
    }
    options["timeout"] = 2.0 if fault == "timeout" else 120.0
    return Plan(
        backend,
        rng.getrandbits(60),
        count,
        tuple(sorted(kinds)) or ("int",),
        fault,
        rng.randrange(count + 1),
        options,
        tuple(rng.choice(PASSES) for _ in range(rng.randint(1, 4))),
    )
