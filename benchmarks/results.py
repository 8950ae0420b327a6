"""The result of a run, and its file: JSON that can be shown again without measuring."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1


@dataclass
class Outcome:
    """The result of one contestant in one case.

    Attributes:
        case: Name of the case.
        contestant: Name of the contestant.
        values: One for each round; None where it failed.
        error: Why it failed, the last time.
    """

    case: str
    contestant: str
    values: list[float | None] = field(default_factory=list)
    error: str | None = None

    @property
    def valid(self) -> list[float]:
        """The values of the rounds in which it did not fail."""
        return [value for value in self.values if value is not None]

    @property
    def median(self) -> float:
        """The median of these."""
        return statistics.median(self.valid)


@dataclass
class Results:
    """All results of a run.

    Attributes:
        about: Machine, date and options.
        cases: By name: title, unit, whether less is better, and the bytes of an item.
        contestants: By name: group, Python and version, or what is missing.
        outcomes: What was measured.
    """

    about: dict[str, Any]
    cases: dict[str, dict[str, Any]]
    contestants: dict[str, dict[str, Any]]
    outcomes: list[Outcome] = field(default_factory=list)

    def of_case(self, case: str) -> list[Outcome]:
        """Return the outcomes of a case."""
        return [each for each in self.outcomes if each.case == case]

    def find(self, case: str, contestant: str) -> Outcome | None:
        """Return the outcome of a contestant in a case, if it has at least one value."""
        for each in self.of_case(case):
            if each.contestant == contestant and each.valid:
                return each
        return None

    def measured_cases(self) -> Iterator[str]:
        """Return the names of the cases that have outcomes."""
        measured = {each.case for each in self.outcomes}
        return (name for name in self.cases if name in measured)

    def save(self, path: str) -> None:
        """Write the file."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, **asdict(self)}, file, indent=1)
            file.write("\n")


def load(path: str) -> Results:
    """Read a file that `Results.save` wrote.

    Raises:
        ValueError: it is no such file.
    """
    with open(path, encoding="utf-8") as file:
        read = json.load(file)
    if not isinstance(read, dict) or read.pop("format", None) != FORMAT:
        raise ValueError(f"{path} is not a result file of format {FORMAT}")
    outcomes = [Outcome(**each) for each in read.pop("outcomes")]
    return Results(**read, outcomes=outcomes)
