"""Results as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from .summary import spread, times_better

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .results import Outcome, Results

OURS = ("farside-subprocess", "farside-subinterpreter", "import-farside")
_HEADS = {
    "farside-subprocess": "subprocess",
    "farside-subinterpreter": "subinterpreter",
    "import-farside": "farside",
}
_RATE = "items/s"
_THOUSAND = 1000


def case_table(results: Results, name: str) -> Table:
    """Return the table of a case: the best first, and how many times better farside is."""
    case = results.cases[name]
    ours = [mine for each in OURS if (mine := results.find(name, each))]
    table = Table(title=f"{name}: {case['title']}", title_justify="left")
    table.add_column("contestant")
    table.add_column("median", justify="right")
    table.add_column("spread", justify="right")
    for mine in ours:
        table.add_column(f"{_HEADS[mine.contestant]} is", justify="right")
    for outcome in ranked(results, name):
        if not outcome.valid:
            table.add_row(outcome.contestant, "fails", "", *([""] * len(ours)))
            continue
        ratios = [times_better(mine, outcome, lower=case["lower"]) for mine in ours]
        table.add_row(
            outcome.contestant,
            value_text(outcome.median, case["unit"], moved_bytes(results, outcome)),
            f"± {100 * spread(outcome.valid):.0f}%",
            *(f"{ratio_text(ratio)} ×" if ratio is not None else "" for ratio in ratios),
            style="bold" if outcome.contestant in OURS else None,
        )
    return table


def ranked(results: Results, name: str) -> list[Outcome]:
    """Return the outcomes of a case, the best first, those that failed last."""
    lower = results.cases[name]["lower"]

    def key(outcome: Outcome) -> tuple[bool, float]:
        if not outcome.valid:
            return True, 0.0
        return False, outcome.median if lower else -outcome.median

    return sorted(results.of_case(name), key=key)


def moved_bytes(results: Results, outcome: Outcome) -> int:
    """Return how many bytes an item moves; 0 for the plain loop, which moves none."""
    moves = results.contestants[outcome.contestant]["group"] != "source"
    nbytes: int = results.cases[outcome.case]["nbytes"]
    return nbytes if moves else 0


def failures(results: Results) -> Iterator[str]:
    """Yield what did not work, in words."""
    for name, contestant in results.contestants.items():
        if "missing" in contestant:
            yield f"{name}: {contestant['missing']}"
    for outcome in results.outcomes:
        if outcome.error:
            rounds = f"{len(outcome.values) - len(outcome.valid)} of {len(outcome.values)} rounds"
            yield f"{outcome.contestant} in {outcome.case} ({rounds}): {outcome.error}"


def versions(results: Results) -> Iterator[str]:
    """Yield a line for each Python that was used: which libraries it brought, in which version."""
    pythons: dict[str, dict[str, None]] = {}
    for contestant in results.contestants.values():
        if "missing" not in contestant:
            libraries = pythons.setdefault(contestant["python"], {})
            if contestant["version"]:
                libraries[f"{contestant['library']} {contestant['version']}"] = None
    for python, libraries in pythons.items():
        yield f"Python {python}: {', '.join(libraries) or 'the standard library'}"


def value_text(value: float, unit: str, nbytes: int) -> str:
    """Write a value with three digits; a rate of payloads in bytes too."""
    if unit != _RATE:
        return f"{_three_digits(value)} {unit}"
    text = f"{number_text(value)} {unit}"
    if nbytes:
        text += f" = {_bytes_text(value * nbytes)}"
    return text


def number_text(value: float) -> str:
    """Write a number with three digits, and k, M or G for thousands."""
    for prefix in ("", " k", " M"):
        if abs(value) < _THOUSAND - 0.5:
            return f"{_three_digits(value)}{prefix}"
        value /= _THOUSAND
    return f"{_three_digits(value)} G"


def _bytes_text(value: float) -> str:
    text = number_text(value)
    return f"{text}B/s" if text[-1].isalpha() else f"{text} B/s"


def ratio_text(ratio: float) -> str:
    """Write a ratio with two or three digits."""
    return _three_digits(ratio)


def _three_digits(value: float) -> str:
    if value == float("inf"):
        return "∞"
    for limit, digits in ((0.1, 3), (10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"
