"""What is said of the package in several places is the same. `check_package` checks the rest."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text()
CITATION = (ROOT / "CITATION.cff").read_text()


def field(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, pattern
    return found[1]


def test_the_citation_has_the_version_of_the_next_release() -> None:
    version = field(PROJECT, r'^version = "(.*)"$')
    assert field(CITATION, r"^version: (.*)$") == version.partition(".dev")[0]


def test_the_citation_says_what_the_project_says() -> None:
    assert field(CITATION, r"^abstract: (.*)$") == field(PROJECT, r'^description = "(.*)"$')
    assert field(CITATION, r"^license: (.*)$") == field(PROJECT, r'^license = "(.*)"$')
    keywords = re.findall(r'"([^"]+)"', field(PROJECT, r"^keywords = \[(.*)\]$"))
    assert re.findall(r"^  - ([^:\n]+)$", CITATION, re.MULTILINE) == keywords
