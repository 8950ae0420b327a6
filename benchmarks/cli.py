"""The command line."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import against, runner, tables, targets
from . import results as result_files
from .cases import CASES
from .contestants import CONTESTANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .results import Outcome, Results


AGAINST = {"seconds": 0.2, "rounds": 15}
"""Defaults with ``--against``: a disturbance affects many short rounds least."""

QUICK = {
    "cases": ["ints", "dicts", "ints-buffer3", "arrays-100kB", "further-pass", "first-item-warm"],
    "seconds": 0.1,
    "rounds": 9,
}
"""Defaults with ``--quick``: with fewer rounds, an interval would include the worst of them."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parse = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure farside beside other libraries, and beside what the machine allows.",
        epilog="NAMES are names or patterns, with commas between them: 'ints,arrays-*'.",
    )
    parse.add_argument("--cases", metavar="NAMES", default="*", type=_names, help="cases to run")
    parse.add_argument(
        "--peers",
        metavar="NAMES",
        default="*",
        type=_names,
        help="peers to run beside farside and the ceilings; 'none' for none",
    )
    parse.add_argument(
        "--seconds", type=_positive, default=1.0, help="time of one measurement (%(default)s)"
    )
    parse.add_argument(
        "--rounds", type=_count, default=5, help="how often all are measured (%(default)s)"
    )
    parse.add_argument(
        "--python",
        metavar="NAME=PATH",
        action="append",
        default=[],
        type=_python,
        help="run a contestant in another Python, which has its library",
    )
    parse.add_argument(
        "--against",
        metavar="REVISION",
        help="measure no peers, but another revision of farside; fail in what is slower now",
    )
    parse.add_argument("--quick", action="store_true", help="few cases, in few and short rounds")
    parse.add_argument("--json", metavar="FILE", help="write the results")
    parse.add_argument("--load", metavar="FILE", help="show results that --json wrote; run nothing")
    parse.add_argument("--plot", metavar="FILE", help="draw a chart into this SVG file")
    parse.add_argument("--targets", action="store_true", help="compare with the bars to clear")
    parse.add_argument("--list", action="store_true", help="list cases and contestants")
    return parse


def read(parse: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; some options change the defaults of others."""
    options = parse.parse_args(arguments)
    if options.against:
        parse.set_defaults(**AGAINST)
    if options.quick:
        parse.set_defaults(**QUICK)
    return parse.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; the status is 1 if farside or a ceiling failed, or missed a target.

    With ``--against`` it is also 1 if anything is slower than it was, or nothing was compared.
    """
    parse = parser()
    options = read(parse, arguments)
    console = Console(highlight=False, width=None if os.isatty(1) else 110)
    if options.list:
        _list(console)
        return 0
    if options.load:
        results = result_files.load(options.load)
    else:
        try:
            results = _measure(options)
        except ValueError as error:
            parse.error(str(error))
    if options.json:
        results.save(options.json)
    return _show(results, console, options)


def _measure(options: argparse.Namespace) -> Results:
    """Run what the command line asks for.

    Raises:
        ValueError: There is no such case, or no such revision.
    """
    with against.trees(options.against) if options.against else nullcontext(()) as trees:
        wanted = runner.Options(
            options.cases,
            options.peers,
            options.seconds,
            options.rounds,
            dict(options.python),
            trees,
        )
        if not runner.selected(wanted)[0]:
            raise ValueError(f"no case is called {','.join(options.cases)}; see --list")
        results = _run(wanted)
    if options.against:
        results.about["against"] = options.against
    return results


def _run(options: runner.Options) -> Results:
    results, todo = runner.plan(options)
    columns = (MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(todo) * options.rounds)

        def tell(measurement: runner.Measurement) -> None:
            text = f"{measurement.case}: {measurement.contestant}"
            progress.update(task, advance=1, description=text)

        runner.run(options, results, todo, tell)
    return results


def _show(results: Results, console: Console, options: argparse.Namespace) -> int:
    about = ", ".join(f"{key} {value}" for key, value in results.about.items())
    console.print(about, *tables.versions(results), "", sep="\n")
    revision = results.about.get("against")
    for name in () if revision else results.measured_cases():
        console.print(tables.case_table(results, name), "")
    for line in tables.failures(results):
        console.print(f"! {line}", markup=False)
    if options.plot:
        from . import charts

        with open(options.plot, "w", encoding="utf-8") as file:
            file.write(charts.chart(results))
        console.print(f"The chart is in {os.path.abspath(options.plot)}.")
    failed = any(each.error and not _is_peer(results, each) for each in results.outcomes)
    if options.targets:
        verdicts = targets.judge(results)
        console.print(targets.verdict_table(verdicts))
        failed |= any(each.must and each.reached is False for each in verdicts)
    if revision:
        comparisons = against.compare(results, revision)
        console.print(against.comparison_table(comparisons, revision))
        failed |= not comparisons or any(each.failed for each in comparisons)
    return int(failed)


def _is_peer(results: Results, outcome: Outcome) -> bool:
    group: str = results.contestants[outcome.contestant]["group"]
    return group == "peer"


def _list(console: Console) -> None:
    for name, case in CASES.items():
        console.print(f"{name:20} {case.title}", markup=False)
    console.print("")
    for name, contestant in CONTESTANTS.items():
        console.print(f"{name:26} {contestant.group:8} {contestant.missing() or ''}", markup=False)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 600:  # noqa: PLR2004  ten minutes for one measurement are enough
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 600")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _python(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH")
    return name, path
