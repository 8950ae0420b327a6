"""The bundle of the modules that a subinterpreter imports."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import sys
import tempfile
import zipfile
from functools import partial
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import farside
from farside import iterate_in_subinterpreter
from farside._backends import bundle
from farside._worker.bundled import load_modules
from tests.children import run_python
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

needs_subinterpreters = pytest.mark.skipif(
    not HAS_SUBINTERPRETERS, reason="this Python has no subinterpreters"
)

PACKAGE = Path(farside.__file__).parent
FIRST_WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from functools import partial
from farside import iterate_in_subinterpreter
def run(fn, *args):
    with iterate_in_subinterpreter(partial(fn, *args)) as items:
        return list(items)
assert run(range, 3) == [0, 1, 2]
"""


def test_all_is_in_it() -> None:
    left_out = {*bundle.NAMES} - names_in(bundle.make())
    assert left_out == ({"_py_warnings"} if sys.version_info < (3, 14) else set())


def names_in(made: tuple[bytes, bytes] | None) -> set[str]:
    assert made is not None
    _, of_python, own = marshal.loads(made[0])  # noqa: S302  it is our own
    assert {name for name, *_ in of_python} <= {*bundle.PYTHON}
    return {name for name, *_ in (*of_python, *own)}


def test_what_has_another_loader_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Rewriter(SourceFileLoader):
        """As of pytest, of coverage tools, and of run-time type checkers."""

    spec = importlib.import_module("farside._worker.outbox").__spec__
    assert spec is not None
    assert spec.origin is not None
    monkeypatch.setattr(spec, "loader", Rewriter(spec.name, spec.origin))
    names = names_in(bundle.make.__wrapped__())
    assert "farside._worker.outbox" not in names
    assert "farside._worker.serve" in names


def fail() -> None:
    raise OSError("none is left")


def write_half(fd: int, data: bytes) -> int:
    return len(data) // 2


@needs_subinterpreters
@pytest.mark.parametrize(
    ("where", "what"),
    [("memfd_create", lambda _: fail()), ("memfd_create", None), ("write", write_half)],
)
def test_without_a_file_for_it_a_worker_imports_by_itself(
    where: str, what: Callable[..., object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = vars(os)
    names = [*filter(lambda name: name != where, real)]
    fake = SimpleNamespace(
        **{name: real[name] for name in names}, **({where: what} if what else {})
    )
    monkeypatch.setattr(bundle, "os", fake)
    assert bundle.open_file() is None
    with iterate_in_subinterpreter(partial(range, 3)) as numbers:
        assert list(numbers) == [0, 1, 2]


def test_without_the_code_of_the_loader_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LOADER", "farside.no_such_module")
    assert bundle.make.__wrapped__() is None
    monkeypatch.setattr(bundle, "make", lambda: None)
    assert bundle.open_file() is None


@pytest.fixture
def fresh() -> Iterator[ModuleType]:
    """A module that is loaded anew, from the bundle."""
    name = "farside._payload.one_line"
    before = importlib.import_module(name)
    del sys.modules[name]
    entry = bundle._read(name)
    assert entry is not None
    path, folders, code = entry
    with tempfile.TemporaryFile() as file:
        file.write(b"before" + code + b"after")
        file.flush()
        load_modules([(name, path, folders, 6, len(code))], file.fileno())
    try:
        yield sys.modules[name]
    finally:
        sys.modules[name] = before
        vars(sys.modules["farside._payload"])["one_line"] = before


def test_a_module_looks_as_if_it_came_from_its_file(fresh: ModuleType) -> None:
    spec, file = fresh.__spec__, str(PACKAGE / "_payload" / "one_line.py")
    assert spec is not None
    assert (fresh.__file__, spec.origin, fresh.__package__) == (file, file, "farside._payload")
    assert spec.has_location
    assert spec.submodule_search_locations is None
    assert type(spec.loader) is SourceFileLoader
    assert vars(spec.loader) == {"name": fresh.__name__, "path": file}
    assert spec.loader.get_code(fresh.__name__).co_filename == file  # type: ignore[union-attr]
    assert spec.cached == importlib.util.cache_from_source(file)
    assert vars(sys.modules["farside._payload"])["one_line"] is fresh


def test_a_module_can_be_loaded_again(fresh: ModuleType) -> None:
    assert importlib.reload(fresh) is fresh


def test_a_module_that_is_there_stays(fresh: ModuleType) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"no code")
        file.flush()
        load_modules([(fresh.__name__, "", None, 0, 7)], file.fileno())
    assert sys.modules[fresh.__name__] is fresh


def copied(to: Path) -> Path:
    shutil.copytree(PACKAGE, to / "farside", ignore=shutil.ignore_patterns("__pycache__"))
    return to / "farside"


@needs_subinterpreters
def test_a_later_worker_imports_nothing_of_farside_from_a_file(tmp_path: Path) -> None:
    package = copied(tmp_path)
    script = FIRST_WORKER + (
        "import os\n"
        "os.rename(sys.argv[2], sys.argv[2] + '-gone')\n"
        "assert run(range, 3) == [0, 1, 2]\n"
    )
    run_python(script, str(tmp_path), str(package), measured=False)


@needs_subinterpreters
def test_workers_are_made_of_one_code_while_its_source_is_edited(tmp_path: Path) -> None:
    package = copied(tmp_path)
    script = FIRST_WORKER + (
        "from pathlib import Path\n"
        "for file in Path(sys.argv[2]).rglob('*.py'): file.write_text('1 / 0')\n"
        "assert run(range, 3) == [0, 1, 2]\n"
    )
    run_python(script, str(tmp_path), str(package), measured=False)


@needs_subinterpreters
def test_another_farside_on_the_path_is_not_the_workers(tmp_path: Path) -> None:
    (tmp_path / "farside").mkdir()
    (tmp_path / "farside" / "__init__.py").write_text("raise RuntimeError('another farside')")
    (tmp_path / "queue.py").write_text("raise RuntimeError('another queue')")
    script = FIRST_WORKER + ("sys.path.insert(0, sys.argv[2])\nassert run(range, 3) == [0, 1, 2]\n")
    run_python(script, str(PACKAGE.parent), str(tmp_path))


@needs_subinterpreters
def test_farside_in_a_zip_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in PACKAGE.rglob("*.py"):
            archive.write(file, file.relative_to(PACKAGE.parent))
    script = FIRST_WORKER + (
        "import farside\n"
        "assert 'all.zip' in farside.__file__\n"
        "[file] = run(eval, '[__import__(\"farside._worker\").__file__]')\n"
        "assert 'all.zip' in file\n"
    )
    run_python(script, str(tmp_path / "all.zip"), measured=False)  # it would count twice


@needs_subinterpreters
@pytest.mark.parametrize("flag", ["-B", "-O", "-OO"])
def test_the_code_is_what_the_flags_of_python_ask_for(flag: str) -> None:
    script = """
import subprocess, sys
script = '''
from functools import partial
from farside import iterate_in_subinterpreter
told = "[__import__('sys').modules['farside._worker.serve'].__doc__, __debug__]"
with iterate_in_subinterpreter(partial(eval, told)) as items:
    print([type(each).__name__ for each in items][0], items.state)
'''
done = subprocess.run([sys.executable, sys.argv[1], "-c", script], text=True, stdout=-1, check=True)
print(done.stdout, end="")
"""
    expected = "NoneType" if flag == "-OO" else "str"
    assert run_python(script, flag).split()[0] == expected
