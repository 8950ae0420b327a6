"""Writes advice on a factory, in a few sentences: which backend to use, and what is slow."""

from __future__ import annotations

import sys
from typing import Any

from .._backends.interpreters import has_pytorch
from .._backends.registry import PYTORCH
from .._in_c import FREE_THREADED
from .._parent.stats import size_text
from .output import duration

_CLOSE = 0.8  # a backend with at least this share of the other one's rate counts as equally fast
_SOONER = 1.5  # the start of a subinterpreter is mentioned if it is so many times as fast
_SLOW_SECONDS = 1.0  # a start that takes so long is mentioned
_LATE, _LATE_SECONDS = 5.0, 0.1  # a late first item: times as long as others, and seconds
_CROSSING = 2.0  # if a loop without a worker is so many times as fast, sending takes the time
_SMALL_BYTES = 8192
_ENOUGH = 100  # with fewer small items than this, a pass itself takes most of the time
_WORTH_SECONDS = 1e-4  # an item that takes so long to make is worth several workers
_CORES = 1.3  # if all threads compute for so many times as long as the loop's own, several do work


def recommend(found: dict[str, Any]) -> list[str]:
    """Recommend a backend and say what takes time, from the results of `doctor.examine`."""
    runs = found["runs"]
    if "items" not in runs.get("subprocess", ()):
        return [_not_at_all(runs)]
    return [each for each in (_items(runs), *_start(found), _backend(found)) if each]


def _backend(found: dict[str, Any]) -> str:
    process, interpreter = found["runs"]["subprocess"], found["runs"].get("subinterpreter")
    if interpreter is None:
        return "Use backend='subprocess': there are no subinterpreters in this Python."
    if "items" not in interpreter:
        why = interpreter.get("reason") or interpreter["error"]
        numpy = "it imports NumPy, and " if "numpy" in why.lower() else ""
        return f"Use backend='subprocess': {numpy}{why}."
    if has_pytorch():
        return f"Use backend='subprocess': {PYTORCH}."
    missing = [each for part in found["imports"].values() for each in part["missing"]]
    if missing:
        return (
            f"Use backend='subprocess': in a subinterpreter it does without {', '.join(missing)}, "
            "which is slower, or fails later."
        )
    return _by_speed(process, interpreter)


def _not_at_all(runs: dict[str, Any]) -> str:
    if "items" not in runs["none"]:
        return f"No worker has run it, nor has this process: {runs['none']['error']}."
    told = runs.get("subprocess") or {"error": "no backend can be used here"}
    if "items" in runs.get("subinterpreter", ()):
        return f"Use backend='subinterpreter': in a subprocess it fails ({told['error']})."
    return f"No worker has run it: {told['error']}."


def _by_speed(process: dict[str, Any], interpreter: dict[str, Any]) -> str:
    if not (process["items"] and interpreter["items"]):
        return "It gives no items, so no backend is faster than another."
    ratio = _rate(interpreter) / _rate(process)
    if ratio < _CLOSE:
        return f"Use backend='subprocess': it is {1 / ratio:.1f} times as fast as a subinterpreter."
    how = "faster than" if ratio > 1 / _CLOSE else "as fast as"
    sooner = process["startup"] / max(interpreter["startup"], 1e-6)
    auto, loss = " (or 'auto', on 3.14 and later)", ""
    if FREE_THREADED:  # 'auto' never takes a subinterpreter then
        auto = ""
    if FREE_THREADED or sys.version_info < (3, 14):
        this = "A free-threaded Python" if FREE_THREADED else "Python 3.13"
        loss = f" {this} loses memory for each one that is made, so make few of them."
    start = f", and starts {sooner:.1f} times as fast" if sooner >= _SOONER else ""
    return (
        f"Use backend='subinterpreter'{auto}: it is {how} a subprocess{start}. A crash in it would "
        f"end the process.{loss}"
    )


def _start(found: dict[str, Any]) -> list[str]:
    """Return sentences on what is slow at the start of a worker, or of a pass."""
    plain, imported = found["runs"]["none"], found.get("import_seconds", 0.0)
    setup = found.get("arguments_seconds", 0.0)
    sentences: list[str] = []
    if "items" not in plain:
        return sentences
    if imported + setup + plain["startup"] >= _SLOW_SECONDS:
        sentences.append(
            f"A worker takes long to start (import: {duration(imported)}, arguments or setup: "
            f"{duration(setup)}, fn: {duration(plain['startup'])}): keep it, in one with block "
            "around all loops, and start it early, with wait=False."
        )
    first, others = plain.get("first") or 0.0, plain["items"] - plain["passes"]
    if plain["items"] == 1 and first >= _SLOW_SECONDS:
        sentences.append(
            f"Only one item came, after {duration(first)}: see with a larger --seconds whether the "
            "others are as slow."
        )
    elif others and first >= _LATE_SECONDS and first > _LATE * _own(plain):
        sentences.append(
            f"The first item of a pass takes {duration(first)}: move into __init__, or setup, what "
            "need not be done in each pass."
        )
    return sentences


def _items(runs: dict[str, Any]) -> str:
    """Return a sentence on what takes the time of an item: making it, or sending it."""
    plain = runs["none"]
    workers = [each for name, each in runs.items() if name != "none" and each.get("items")]
    if not (plain.get("items") and workers) or plain["items"] == 1:
        return ""
    if plain.get("cores", 1.0) >= _CORES:
        return (
            f"To make items, other threads compute too ({plain['cores']:.1f} cores): give each "
            "worker one thread, with env={'OMP_NUM_THREADS': '1'} for those of libraries, else "
            "several workers are slower than one."
        )
    best = max(workers, key=_rate)
    own, whole = _own(plain), _own(best)
    each = best["nbytes"] / best["items"]
    in_pass = best["items"] / best["passes"]
    if whole > _CROSSING * own and (in_pass >= _ENOUGH or each >= _SMALL_BYTES):
        cure = "yield lists of many items, or use no worker"
        if each >= _SMALL_BYTES:
            cure = "send less, or use no worker; if it is an array, fill it from farside.allocate()"
        return (
            f"An item ({size_text(each)}) takes {duration(own)} without a worker, and "
            f"{duration(whole)} from one: {cure}."
        )
    if own < _WORTH_SECONDS:
        return ""
    return (
        f"An item takes {duration(own)} to make: if your loop waits for items, as "
        "print(items.stats()) tells, several workers share that, see iterate_in_workers."
    )


def _own(told: dict[str, Any]) -> float:
    """Return how long an item takes, without the first of each pass if there are others."""
    first, items, passes = told.get("first") or 0.0, told["items"], told["passes"]
    rest = told["seconds"] - first * passes
    if items > passes and rest > 0:
        return float(max(rest / (items - passes), 1e-9))
    return float(told["seconds"] / items)


def _rate(told: dict[str, Any]) -> float:
    return float(told["items"] / told["seconds"])
