"""The parent's warning filters and levels of loggers, as a worker is told of them."""

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


WITH_A_CLASS_OF_ITS_OWN = """
import logging
from farside._payload.verbosity import flatten_levels, install_levels

class Own(logging.Logger):
    pass

logging.getLogger("plain").setLevel(logging.ERROR)
logging.setLoggerClass(Own)
logging.getLogger("own").setLevel(logging.ERROR)
logging.getLogger("present").setLevel(logging.ERROR)
levels = flatten_levels()
known = logging.root.manager.loggerDict
del known["plain"], known["own"]  # as in a worker that has not imported their libraries
logging.getLogger("present").setLevel(logging.INFO)
install_levels(levels)
print([name in known for name in ("plain", "own")], logging.getLogger("present").level)
"""


def test_a_logger_of_a_class_of_its_own_is_left_to_its_library() -> None:
    assert run_python(WITH_A_CLASS_OF_ITS_OWN) == "[True, False] 40\n"
