"""Make the examples importable, as they are for each other when one of them runs as a script."""

import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))


@pytest.fixture(scope="session")
def examples_dir() -> Path:
    """Return the folder with the examples."""
    return EXAMPLES
