"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import farside

_MODULES = ["farside"] + [
    info.name for info in pkgutil.walk_packages(farside.__path__, "farside.") if not info.ispkg
]


@pytest.mark.parametrize("name", _MODULES)
@pytest.mark.filterwarnings("ignore:a subprocess runs the iterable")
def test_examples(name: str) -> None:
    module = import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize(
    "entry", ["iterate_in_subprocess", "iterate_in_subinterpreter", "iterate_in_worker"]
)
def test_entry_points_have_an_example(entry: str) -> None:
    assert ">>>" in (getattr(farside, entry).__doc__ or "")
