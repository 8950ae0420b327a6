"""The bars that farside is to clear, as data, and the verdict on a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from .summary import best, times_better
from .tables import ratio_text, value_text

if TYPE_CHECKING:
    from .results import Results

SUBPROCESS, SUBINTERPRETER = "farside-subprocess", "farside-subinterpreter"
_SPDL = ("spdl-subprocess-3", "spdl-subprocess-1000")
_SPDL_INTERPRETER = ("spdl-subinterpreter-3", "spdl-subinterpreter-1000")
_IMAP = ("pool-imap-1", "pool-imap-100", "pool-imap-1000")
_LOADER = ("torch-dataloader",)
_POOL = ("spdl-pool-3", "spdl-pool-64")
_BOTH = (SUBPROCESS, SUBINTERPRETER)
_OF_LINEAR = 0.9
_SEVERAL = (2, 4, 8, 16)


class Goal(NamedTuple):
    """At least so many times as good as the best of some contestants."""

    times: float
    of: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """How good a contestant is to be beside others.

    Attributes:
        case: The case.
        contestant: Who is to clear the bar.
        least: What must be reached.
        aims: What is wished for.
        of_case: The case in which the others are measured, if it is another one.
    """

    case: str
    contestant: str
    least: tuple[Goal, ...]
    aims: tuple[Goal, ...] = ()
    of_case: str = ""


@dataclass(frozen=True)
class Limit:
    """The most that a value may be, and the most that it should be."""

    case: str
    contestant: str
    most: float
    aim: float


class Verdict(NamedTuple):
    """One line of the verdict. `reached` is None if not measured; `must` is False for an aim."""

    case: str
    contestant: str
    wanted: str
    got: str
    reached: bool | None
    must: bool


BARS = (
    Bar(
        "ints",
        SUBPROCESS,
        (Goal(40, _SPDL), Goal(0.8, _IMAP)),
        (Goal(1, _IMAP), Goal(0.6, ("pipe-lists",))),
    ),
    Bar(
        "ints",
        SUBINTERPRETER,
        (Goal(25, _SPDL_INTERPRETER), Goal(80, ("interpreter-executor",))),
        (Goal(1, (SUBPROCESS,)),),
    ),
    *(
        Bar(case, mine, (Goal(12, spdl), Goal(0.95, _IMAP)), (Goal(0.6, ("pipe-items",)),))
        for case in ("dicts", "dicts-8", "tuples-8")
        for mine, spdl in ((SUBPROCESS, _SPDL), (SUBINTERPRETER, _SPDL_INTERPRETER))
    ),
    *(Bar("ints-buffer3", mine, (Goal(2, _SPDL),), (Goal(4, _SPDL),)) for mine in _BOTH),
    Bar(
        "arrays-100kB",
        SUBPROCESS,
        (Goal(3, _POOL), Goal(30, _LOADER)),
        (Goal(0.6, ("one-memcpy",)),),
    ),
    Bar(
        "arrays-1MB",
        SUBPROCESS,
        (Goal(1, _POOL), Goal(6, _SPDL), Goal(5, _LOADER)),
        (Goal(1, ("one-memcpy",)),),
    ),
    Bar(
        "arrays-10MB",
        SUBPROCESS,
        (Goal(0.95, _POOL), Goal(6, _SPDL), Goal(5, _LOADER)),
        (Goal(1, ("one-memcpy",)),),
    ),
    Bar("allocated-10MB", SUBPROCESS, (Goal(3, (SUBPROCESS,)),), of_case="arrays-10MB"),
    *(
        Bar(case, SUBINTERPRETER, (Goal(least, _SPDL_INTERPRETER),), (Goal(50, _SPDL_INTERPRETER),))
        for case, least in (("bytes-100kB", 20), ("bytes-10MB", 25))
    ),
    *(
        Bar(f"at-once-{items}", f"{mine}-async", (Goal(0.8, (mine,)),))
        for items in ("ints", "dicts")
        for mine in _BOTH
    ),
    Bar("at-once-arrays", f"{SUBPROCESS}-async", (Goal(0.8, (SUBPROCESS,)),)),
    Bar("list-100kB", SUBPROCESS, (Goal(0.5, (SUBPROCESS,)),), of_case="fresh-100kB"),
    *(
        Bar(
            f"{way}-1ms-{number}",
            mine,
            (Goal(_OF_LINEAR * number, (mine,)),),
            of_case=f"{way}-1ms-1",
        )
        for way in ("workers", "map")
        for number in _SEVERAL
        for mine in _BOTH
    ),
    *(
        Bar("workers-ints-4", mine, (Goal(0.9, (mine,)),), of_case="workers-ints-1")
        for mine in _BOTH
    ),
    *(
        Bar("map-ints", mine, (Goal(0.9, _IMAP), Goal(30, _LOADER)), (Goal(1, _IMAP),))
        for mine in _BOTH
    ),
    *(Bar("map-busy", mine, (Goal(0.95, _IMAP),)) for mine in _BOTH),
    Bar("map-arrays-100kB", SUBPROCESS, (Goal(5, _IMAP),)),
)
LIMITS = (
    Limit("first-item-warm", SUBINTERPRETER, 30, 15),
    Limit("first-item-warm", SUBPROCESS, 45, 20),
    *(Limit("further-pass", mine, 0.3, 0.1) for mine in _BOTH),
    *(Limit("idle-cpu", mine, 1, 0.1) for mine in _BOTH),
    Limit("slow-consumer", SUBPROCESS, 6, 5),
    Limit("import", "import-farside", 15, 5),
)


def judge(results: Results) -> list[Verdict]:
    """Compare a run with all bars and limits whose cases it has."""
    verdicts = []
    for bar in BARS:
        if bar.case in results.cases:
            verdicts += [_compare(results, bar, goal, must=True) for goal in bar.least]
            verdicts += [_compare(results, bar, goal, must=False) for goal in bar.aims]
    for limit in LIMITS:
        if limit.case in results.cases:
            verdicts.append(_measure(results, limit, limit.most, must=True))
            verdicts.append(_measure(results, limit, limit.aim, must=False))
    return verdicts


def _compare(results: Results, bar: Bar, goal: Goal, *, must: bool) -> Verdict:
    case = bar.of_case or bar.case
    lower = results.cases[bar.case]["lower"]
    mine = results.find(bar.case, bar.contestant)
    theirs = best((results.find(case, name) for name in goal.of), lower=lower)
    name = theirs.contestant if theirs else " or ".join(goal.of)
    wanted = f"{goal.times:g} × {name}" + (f" in {case}" if bar.of_case else "")
    ratio = times_better(mine, theirs, lower=lower) if mine and theirs else None
    if ratio is None:
        return Verdict(bar.case, bar.contestant, wanted, "not measured", None, must)
    got = f"{ratio_text(ratio)} ×"
    return Verdict(bar.case, bar.contestant, wanted, got, ratio >= goal.times, must)


def _measure(results: Results, limit: Limit, most: float, *, must: bool) -> Verdict:
    unit = results.cases[limit.case]["unit"]
    wanted = f"at most {most:g} {unit}"
    mine = results.find(limit.case, limit.contestant)
    if mine is None:
        return Verdict(limit.case, limit.contestant, wanted, "not measured", None, must)
    got = value_text(mine.median, unit, 0)
    return Verdict(limit.case, limit.contestant, wanted, got, mine.median <= most, must)


def verdict_table(verdicts: list[Verdict]) -> Table:
    """Return the verdict as a table."""
    table = Table(title="Targets: at least", title_justify="left")
    for head in ("case", "contestant", "wanted", "got", ""):
        table.add_column(head, justify="right" if head == "got" else "left")
    for each in verdicts:
        word = {None: "–", True: "pass", False: "miss"}[each.reached]
        style = {None: "dim", True: "green", False: "red" if each.must else "yellow"}[each.reached]
        wanted = each.wanted if each.must else f"aim: {each.wanted}"
        table.add_row(each.case, each.contestant, wanted, each.got, word, style=style)
    return table
