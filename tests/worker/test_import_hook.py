"""What acts when user code imports a module, whatever has looked for that before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.children import run_python

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import importlib.util, sys
from farside._worker.import_hook import when_imported
before, acted = [*sys.meta_path], []
when_imported({module!r}, lambda: acted.append({module!r} in sys.modules))
{script}
import {module}
print(acted, sys.meta_path == before, type({module}.__loader__).__name__)
"""
ONCE = "[True] True SourceFileLoader\n"


def test_it_acts_once_the_module_is_there_and_leaves_no_trace() -> None:
    assert run_python(SCRIPT.format(module="colorsys", script="")) == ONCE


def test_it_acts_too_where_the_module_was_looked_for_before() -> None:
    script = SCRIPT.format(module="colorsys", script="importlib.util.find_spec('colorsys')")
    assert run_python(script) == ONCE


def test_it_acts_too_where_a_finder_gives_one_spec_twice() -> None:
    script = (
        "find = importlib.util.find_spec\n"
        "hook = sys.meta_path[0]; sys.meta_path.remove(hook)\n"
        "class Finder:\n"
        "    found = find('colorsys')\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return self.found if name == 'colorsys' else None\n"
        "finder = Finder(); sys.meta_path[:] = [hook, finder, *sys.meta_path]\n"
        "before.insert(0, finder)\n"
        "find('colorsys'), find('colorsys')"
    )
    assert run_python(SCRIPT.format(module="colorsys", script=script)) == ONCE


def test_it_acts_too_where_a_finder_asks_all_finders_again_and_wraps_the_loader() -> None:
    script = (
        "class Loader:\n"
        "    def __init__(self, loader): self.loader = loader\n"
        "    def create_module(self, spec): return self.loader.create_module(spec)\n"
        "    def exec_module(self, module): self.loader.exec_module(module)\n"
        "class Finder:\n"
        "    busy = False\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if self.busy or name != 'colorsys':\n"
        "            return None\n"
        "        self.busy = True\n"
        "        spec = importlib.util.find_spec(name)\n"
        "        self.busy, spec.loader = False, Loader(spec.loader)\n"
        "        return spec\n"
        "finder = Finder(); sys.meta_path.insert(1, finder); before.insert(0, finder)"
    )
    assert run_python(SCRIPT.format(module="colorsys", script=script)) == ONCE


def test_it_acts_too_where_an_earlier_import_has_failed(tmp_path: Path) -> None:
    (tmp_path / "fails_once.py").write_text(
        "import sys\nif not hasattr(sys, 'tried'):\n    sys.tried = True\n    raise OSError\n"
    )
    script = SCRIPT.format(
        module="fails_once", script="try:\n    import fails_once\nexcept OSError:\n    pass"
    )
    assert run_python(script, path=tmp_path) == ONCE


def test_two_may_wait_for_one_module() -> None:
    again = "when_imported('colorsys', lambda: acted.append('again'))"
    assert run_python(SCRIPT.format(module="colorsys", script=again)) == (
        "[True, 'again'] True SourceFileLoader\n"
    )


def test_the_same_waits_only_once() -> None:
    again = "[when_imported('colorsys', print) for _ in range(3)]"
    assert run_python(SCRIPT.format(module="colorsys", script=again)) == "\n" + ONCE


def test_a_module_that_is_there_is_not_waited_for() -> None:
    script = "import colorsys; acted.clear(); when_imported('colorsys', lambda: acted.append(True))"
    assert run_python(SCRIPT.format(module="colorsys", script=script)) == ONCE
