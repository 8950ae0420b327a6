"""Run every measurement in a process of its own, round by round."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from . import job, machine
from .cases import CASES
from .contestants import CONTESTANTS
from .results import Outcome, Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
_LINE = 200
_SECONDS_TO_TIDY = 2


class Tree(NamedTuple):
    """A farside to measure.

    Attributes:
        suffix: What the names of its contestants end with, to tell one tree from another.
        version: What tables call it.
        path: The folder that holds the package.
    """

    suffix: str
    version: str
    path: str


INSTALLED = Tree("", "", "")
"""The installed farside: it tells its version itself, and any Python finds it."""


@dataclass(frozen=True)
class Options:
    """What to run.

    Attributes:
        cases: Names or patterns.
        peers: Names or patterns; farside and the ceilings run in any case.
        seconds: How long one measurement takes.
        rounds: How often all measurements are made.
        pythons: By pattern of contestants: the Python to use for them, instead of this one.
        trees: Farsides to compare, instead of the installed one with peers and ceilings.
    """

    cases: Sequence[str] = ("*",)
    peers: Sequence[str] = ("*",)
    seconds: float = 1.0
    rounds: int = 5
    pythons: Mapping[str, str] | None = None
    trees: Sequence[Tree] = ()

    @property
    def limit(self) -> float:
        """How long a measurement may take before it is ended."""
        return 45 + 10 * self.seconds

    def python(self, contestant: str) -> str:
        """Return the Python that a contestant runs in."""
        for pattern, path in (self.pythons or {}).items():
            if fnmatchcase(contestant, pattern):
                return path
        return sys.executable


class Measurement(NamedTuple):
    """One contestant in one case."""

    case: str
    contestant: str
    python: str
    tree: Tree = INSTALLED

    @property
    def name(self) -> str:
        """What the results call the contestant."""
        return self.contestant + self.tree.suffix

    @property
    def compared(self) -> tuple[str, ...]:
        """The key of the group whose measurements are made right after one another."""
        return (self.case,) if self.tree is INSTALLED else (self.case, self.contestant)


def selected(options: Options) -> tuple[list[str], list[str]]:
    """Return the names of the cases and contestants that are asked for."""
    cases = [name for name in CASES if _matches(name, options.cases)]
    contestants = [
        name
        for name, each in CONTESTANTS.items()
        if each.group == "farside"
        or not (options.trees or (each.group == "peer" and not _matches(name, options.peers)))
    ]
    return cases, contestants


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def plan(options: Options) -> tuple[Results, list[Measurement]]:
    """Find out which contestant can run which case; return empty results, and what to measure."""
    cases, names = selected(options)
    surveys: dict[tuple[str, str], dict[str, Any]] = {}
    contestants: dict[str, dict[str, Any]] = {}
    todo: list[Measurement] = []
    for name, tree in product(names, options.trees or (INSTALLED,)):
        python, path = options.python(name), tree.path
        if (python, path) not in surveys:
            surveys[python, path] = _ask(python, (), options.limit, path)
        survey = surveys[python, path]
        if "error" in survey:
            found: dict[str, Any] = {"missing": survey["error"]}
        else:
            found = dict(survey["contestants"][name], python=survey["python"])
        if tree.version and "version" in found:
            found["version"] = tree.version
        refuses = found.pop("refuses", dict.fromkeys(cases, "missing"))
        about = {"group": CONTESTANTS[name].group, "library": CONTESTANTS[name].library}
        contestants[name + tree.suffix] = {**about, **found}
        todo += [Measurement(case, name, python, tree) for case in cases if refuses[case] is None]
    conditions = {**machine.describe(), "seconds": options.seconds, "rounds": options.rounds}
    return Results(conditions, {case: _describe(case) for case in cases}, contestants), todo


def _describe(name: str) -> dict[str, Any]:
    case = CASES[name]
    return {
        "title": case.title,
        "unit": case.unit,
        "lower": case.lower,
        "nbytes": case.source().nbytes,
    }


def run(
    options: Options,
    results: Results,
    todo: Sequence[Measurement],
    tell: Callable[[Measurement], object],
) -> None:
    """Measure: round by round, in each round case by case, in each case one after the other."""
    outcomes = {each: Outcome(each.case, each.name) for each in todo}
    results.outcomes += outcomes.values()
    stuck: set[Measurement] = set()
    for turn in range(options.rounds):
        for each in _order(todo, turn):
            tell(each)
            outcome = outcomes[each]
            if each in stuck:
                outcome.values.append(None)
                continue
            what = (each.case, each.contestant, str(options.seconds))
            more = CASES[each.case].environment
            answer = _ask(each.python, what, options.limit, each.tree.path, more)
            outcome.values.append(answer.get("value"))
            if "error" in answer:
                outcome.error = answer["error"]
            if answer.get("stuck"):
                stuck.add(each)


def _order(todo: Sequence[Measurement], turn: int) -> Iterator[Measurement]:
    """Begin each round with another contestant, and reverse the order when each was the first.

    So none of them is always the first, and none always follows the same one.
    """
    for compared in dict.fromkeys(each.compared for each in todo):
        group = [each for each in todo if each.compared == compared]
        again, first = divmod(turn, len(group))
        order = group[first:] + group[:first]
        yield from reversed(order) if again % 2 else order


def _ask(
    python: str,
    what: Sequence[str],
    limit: float,
    path: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Run a job and return what it wrote; modules are looked for in `path` first."""
    paths = filter(None, [path, str(ROOT), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # starts are measured with bytecode at hand
    environment.update(more)  # but some without
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        file_name = os.path.join(folder, "answer.json")
        try:
            process = subprocess.Popen(
                [python, "-c", job.ENTRY, *what, file_name],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            return {"error": f"{python}: {error.strerror}"}
        stuck = _wait(process, limit)
        if os.path.exists(file_name) and os.path.getsize(file_name):
            with open(file_name, encoding="utf-8") as file:
                answer: dict[str, Any] = json.load(file)
                return answer
        if stuck:
            return {"error": f"not done after {limit:.0f} s", "stuck": True}
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1][:_LINE]}" if lines else ""
        return {"error": f"ended with status {process.returncode}{said}"}


def _wait(process: subprocess.Popen[bytes], limit: float) -> bool:
    """Wait for a job and end all that it left behind; return whether it ran into the limit."""
    stuck = False
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        stuck = True
    finally:
        _end_group(process.pid)
        process.wait()
    return stuck


def _end_group(group: int) -> None:
    """End all processes of a job, which has a session of its own.

    multiprocessing's resource tracker ignores SIGTERM. It ends by itself when the others are gone,
    and removes the semaphores and the shared memory that they have left.
    """
    try:
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + _SECONDS_TO_TIDY
        while _has_members(group) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _has_members(group: int) -> bool:
    """Return whether a process group has members that are not zombies, by ``/proc`` of Linux."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(of) == group and state not in "ZX":
            return True
    return False
