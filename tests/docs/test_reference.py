"""Every public name is in the reference."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

_REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
_DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)\w+:: (?:farside\.)?(?P<name>[\w.]+)", re.MULTILINE)


@pytest.mark.parametrize(
    "module", ["farside", "farside.numpy", "farside.testing", "farside.backends", "farside.options"]
)
def test_public_names_are_documented(module: str) -> None:
    documented = {
        name
        for page in _REFERENCE.glob("*.md")
        for name in _DIRECTIVE.findall(page.read_text("utf-8"))
    }
    prefix = f"{module}.".removeprefix("farside.")
    missing = {
        name for name in import_module(module).__all__ if not {name, f"{prefix}{name}"} & documented
    }
    assert missing == set()
