"""A factory on each backend: measured, and printed as it comes. Of ``doctor`` and ``bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import output
from .probe import ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEGEND = "time: █ waiting for the worker, ▒ taking its items"


def measure(
    factories: Iterable[tuple[str, str, str | None]],
    title: str,
    *,
    seconds: float,
    limit: float,
    quiet: bool,
) -> Iterator[dict[str, Any]]:
    """Measure factories, and yield what was found, one after the other.

    Of each is given what to call it, its name, and the backend: None for no worker. Each is
    measured for some seconds, and may take up to the limit beside that.
    """
    todo = list(factories)
    wide = max(len(label) for label, _, _ in todo)
    columns = [("", wide), ("start", -7), ("items/s", -7), ("bytes/s", -7), ("time", 10)]
    made = output.Table(title, columns, quiet=quiet)
    for label, factory, backend in todo:
        request = {"kind": "run", "factory": factory, "backend": backend, "seconds": seconds}
        with output.step(f"measure: {label}", limit + seconds):
            told = ask(request, limit + seconds)
        made.row(label, *_cells(told))
        yield told
    made.row("", LEGEND, style="dim")
    made.end()


def _cells(told: dict[str, Any]) -> tuple[str, ...]:
    if "items" not in told:
        return (told.get("reason") or told["error"],)
    seconds, waited = told["seconds"], told.get("waited")
    start = output.duration(told["startup"])
    items = f"{told['items']:,} item{'s' * (told['items'] != 1)} in {seconds:.1f} s"
    rate = output.number(told["items"] / seconds)
    if waited is None:
        return start, rate, "", "", items
    share = min(1.0, waited / seconds)
    tenths = round(10 * share)
    picture = "█" * tenths + "▒" * (10 - tenths)
    return start, rate, output.number(told["nbytes"] / seconds), picture, items
