"""The parent's warning filters, as a worker is told of them."""

import sys

import pytest

from tests.children import run_python

WITHIN_A_BLOCK = """
import warnings
from farside._payload.verbosity import flatten_filters
with warnings.catch_warnings():
    warnings.simplefilter("error", UserWarning)
    print(flatten_filters()[0])
"""


@pytest.mark.parametrize(
    "aware",
    [
        "0",
        pytest.param(
            "1", marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="needs contexts")
        ),
    ],
)
def test_those_of_a_block_are_told(aware: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_CONTEXT_AWARE_WARNINGS", aware)
    assert run_python(WITHIN_A_BLOCK) == "('error', None, 'builtins', 'UserWarning', None, 0)\n"
