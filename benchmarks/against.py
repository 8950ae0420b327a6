"""Is farside slower than it was? Compares it with another revision, measured in the same rounds.

The revision runs twice in each round. The difference between these two runs comes from the machine
alone, so it is shown beside the difference between the present tree and the revision.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

from .runner import ROOT, Tree
from .summary import interval, ratios, times_better
from .tables import ratio_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .results import Results

SLOWER = {False: 0.95, True: 1 / 1.05}
"""A ratio below this is a failure; True: for values of which less is better."""

AGAIN = " again"
_STYLES = {"as fast": "green", "slower": "red", "gone": "red", "not measured": "red"}


class Comparison(NamedTuple):
    """One contestant in one case, in the present tree and in the other revision.

    Attributes:
        case: The case.
        contestant: The contestant of the present tree.
        ratio: How many times as good as the other revision, if both were measured.
        interval: Where that ratio lies, with a confidence of 95 %.
        noise: The same interval for the two runs of the other revision.
        verdict: ``"as fast"``, ``"slower"``, or ``"unclear"``, which more rounds would settle;
            ``"new"`` or ``"gone"`` if only one of the two has it; or ``"not measured"``.
    """

    case: str
    contestant: str
    ratio: float | None
    interval: tuple[float, float] | None
    noise: tuple[float, float] | None
    verdict: str

    @property
    def failed(self) -> bool:
        """Whether this makes the run fail."""
        return _STYLES.get(self.verdict) == "red"


@contextmanager
def trees(revision: str) -> Iterator[tuple[Tree, ...]]:
    """Put the present tree and a revision side by side, in a folder that is removed afterwards.

    Both are copies on one file system, compiled alike, since the import is measured too.

    Raises:
        ValueError: git knows no such revision.
    """
    git = ["git", "-C", str(ROOT), "archive", "--format=tar", revision, "src"]
    archive = subprocess.run(git, capture_output=True, check=False)
    if archive.returncode:
        said = archive.stderr.decode(errors="replace").strip()
        raise ValueError(f"--against {revision}: git has no such revision here ({said})")
    with tempfile.TemporaryDirectory(prefix="farside-against-") as folder:
        now, then = Path(folder, "now"), Path(folder, "then")
        shutil.copytree(ROOT / "src", now / "src", ignore=shutil.ignore_patterns("__pycache__"))
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(then, filter="data")
        subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
        yield (
            Tree("", "as it is", str(now / "src")),
            Tree(f"@{revision}", revision, str(then / "src")),
            Tree(f"@{revision}{AGAIN}", revision, str(then / "src")),
        )


def compare(results: Results, revision: str) -> list[Comparison]:
    """Compare the outcomes that a run has of the present tree with those of a revision."""
    suffix = f"@{revision}"
    found = []
    for case in results.measured_cases():
        names = dict.fromkeys(each.contestant.partition("@")[0] for each in results.of_case(case))
        found += [_compare(results, case, name, suffix) for name in names]
    return found


def _compare(results: Results, case: str, name: str, suffix: str) -> Comparison:
    lower = results.cases[case]["lower"]
    measured = {each.contestant for each in results.of_case(case)}
    now, then, again = (results.find(case, name + end) for end in ("", suffix, suffix + AGAIN))
    ratio = times_better(now, then, lower=lower) if now and then else None
    span = interval(ratios(now, then, lower=lower)) if now and then else None
    noise = interval(ratios(again, then, lower=lower)) if again and then else None
    if name + suffix not in measured:
        verdict = "new"
    elif name not in measured:
        verdict = "gone"
    elif ratio is None:
        verdict = "not measured"
    else:
        verdict = _judge(span, SLOWER[lower])
    return Comparison(case, name, ratio, span, noise, verdict)


def _judge(span: tuple[float, float] | None, bar: float) -> str:
    if span is None or span[0] < bar <= span[1]:
        return "unclear"
    return "slower" if span[1] < bar else "as fast"


def comparison_table(comparisons: list[Comparison], revision: str) -> Table:
    """Return the comparisons as a table."""
    table = Table(title=f"How many times as good as {revision}", title_justify="left")
    heads = ("case", "contestant", "ratio", "95 % interval", "the same code", "")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place in {2, 3, 4} else "left", no_wrap=True)
    for each in comparisons:
        ratio = "" if each.ratio is None else f"{ratio_text(each.ratio)} ×"
        spans = [_span_text(each.interval), _span_text(each.noise)]
        style = _STYLES.get(each.verdict, "dim")
        table.add_row(each.case, each.contestant, ratio, *spans, each.verdict, style=style)
    return table


def _span_text(span: tuple[float, float] | None) -> str:
    return f"{ratio_text(span[0])} – {ratio_text(span[1])}" if span else ""
