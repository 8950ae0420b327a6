"""What can be imported from farside, and what that costs."""

from __future__ import annotations

import builtins
import inspect
import pickle
import re
import subprocess
import sys

import pytest

import farside
from farside import backends, errors


def test_all_names_exist_and_no_other_is_public() -> None:
    for name in farside.__all__:
        assert getattr(farside, name) is not None
    public = {name for name in dir(farside) if not name.startswith("_")}
    # Submodules become attributes once they are imported.
    modules = {name for name in public if inspect.ismodule(getattr(farside, name))}
    assert public - modules - {"annotations", "TYPE_CHECKING"} == {
        name for name in farside.__all__ if not name.startswith("_")
    }


def test_every_error_is_exported_but_the_internal_one() -> None:
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert defined - set(farside.__all__) == {"LinkClosedError"}
    assert defined - set(errors.__all__) == {"LinkClosedError"}


def test_who_writes_a_link_has_what_its_methods_take_and_raise() -> None:
    code = "".join(map(inspect.getsource, (backends.Link, backends.WorkerLink)))
    named = {*re.findall(r"Frame\b|Gauges\b|\w+Error\b", code)}
    assert {"Frame", "Gauges", "LinkClosedError"} <= named
    assert named <= {*backends.__all__, *farside.__all__, *dir(builtins)}


def test_every_error_is_in_the_tree_at_the_top() -> None:
    assert errors.__doc__ is not None
    for name, value in vars(errors).items():
        if inspect.isclass(value):
            assert f"── {name}" in errors.__doc__


@pytest.mark.parametrize("cls", [each for each in vars(errors).values() if inspect.isclass(each)])
def test_every_error_pickles(cls: type[Exception]) -> None:
    error = cls("what happened")
    vars(error).update(dict.fromkeys(vars(error), 3))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert again.args == error.args
    assert vars(again) == vars(error)
    assert "what happened" in str(again)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        farside.nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_version_is_that_of_the_package() -> None:
    assert farside.__version__[0].isdigit()


def test_all_names_can_be_imported_where_the_package_is_not_installed() -> None:
    code = (
        "import importlib.metadata as metadata\n"
        "def distribution(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.distribution = distribution\n"
        "from farside import *; print(__version__)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "0+unknown\n"


def test_importing_farside_imports_no_module_of_it() -> None:
    code = "import sys, farside; print([name for name in sys.modules if 'farside.' in name])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_editors_complete_its_names() -> None:
    jedi = pytest.importorskip("jedi")
    environment = jedi.api.environment.InterpreterEnvironment()
    for code, named in (
        ("import farside; farside.iterate_in_subi", "iterate_in_subinterpreter"),
        ("from farside import iterate_in_subi", "iterate_in_subinterpreter"),
        ("import farside; farside.iterate_in_worker(open).state_", "state_dict"),
        ("import farside.testing; farside.testing.check_re", "check_replay"),
    ):
        found = jedi.Script(code, environment=environment).complete()
        assert [each.name for each in found] == [named]
