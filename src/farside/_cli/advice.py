"""Which backend to take for a factory, in one sentence."""

from __future__ import annotations

from typing import Any

_CLOSE = 0.8
"""A backend that is at least so fast, beside the other one, counts as as fast."""


def recommend(found: dict[str, Any]) -> str:
    """Recommend a backend.

    Args:
        found: see `doctor.examine`.

    Example:
        >>> run = {"items": 10, "seconds": 1.0, "startup": 0.1}
        >>> recommend({"runs": {"none": run, "subprocess": run}, "imports": {}})
        "Use backend='subprocess': there are no subinterpreters in this Python."
    """
    runs = found["runs"]
    process, interpreter = runs.get("subprocess", {}), runs.get("subinterpreter")
    if "items" not in process:
        return _not_at_all(runs)
    if interpreter is None:
        return "Use backend='subprocess': there are no subinterpreters in this Python."
    if "items" not in interpreter:
        why = interpreter.get("reason") or interpreter["error"]
        return f"Use backend='subprocess': {_numpy(why)}{why}."
    missing = sorted({each for part in found["imports"].values() for each in part["missing"]})
    if missing:
        return (
            f"Use backend='subprocess': in a subinterpreter it does without {', '.join(missing)}, "
            "which is slower, or fails later."
        )
    return _by_speed(process, interpreter)


def _not_at_all(runs: dict[str, Any]) -> str:
    if "items" not in runs["none"]:
        return f"No worker can run it, nor can this process: {runs['none']['error']}."
    told = runs.get("subprocess") or {"error": "no backend can be used here"}
    return f"No worker can run it: {told['error']}."


def _numpy(why: str) -> str:
    return "it imports NumPy, and " if "numpy" in why.lower() else ""


def _by_speed(process: dict[str, Any], interpreter: dict[str, Any]) -> str:
    if not process["items"]:
        return "It gives no items, so no backend is faster than another."
    ratio = _rate(interpreter) / _rate(process)
    sooner = process["startup"] / max(interpreter["startup"], 1e-6)
    if ratio >= _CLOSE:
        how = "faster" if ratio > 1 / _CLOSE else "as fast"
        return (
            f"Use backend='subinterpreter' (or 'auto', on 3.14 and later): it is {how} and starts "
            f"in {interpreter['startup'] * 1000:.0f} ms, {sooner:.1f} times as fast as a "
            "subprocess; a crash in it would end the process."
        )
    return f"Use backend='subprocess': it is {1 / ratio:.1f} times as fast as a subinterpreter."


def _rate(told: dict[str, Any]) -> float:
    rate: float = told["items"] / told["seconds"]
    return rate
