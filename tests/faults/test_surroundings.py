"""Every row of what a process can be like before farside gets there, and further ones."""

from __future__ import annotations

import zipapp
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import TYPE_CHECKING

import pytest

import farside
from tests.faults.surroundings import NOT_ALLOWED, ROWS, SEEN
from tests.kinds import SUBINTERPRETERS, SUBPROCESSES
from tests.scripts.running import run_command, write_script

if TYPE_CHECKING:
    from tests.kinds import Kind

SPAWN = SUBPROCESSES[0]
PERFORMED = [SPAWN, *SUBINTERPRETERS]
"""A process as it is started by default, and a subinterpreter."""


@pytest.mark.parametrize("kind", PERFORMED, ids=lambda kind: kind.backend)
@pytest.mark.parametrize("name", ROWS)
def test_each_row(tmp_path: Path, name: str, kind: Kind) -> None:
    command = ["-m", "tests.faults.surroundings", name, kind.backend]
    done = run_command(tmp_path, *command, kind=kind, timeout=40)
    if done.out == f"{NOT_ALLOWED}\n":
        pytest.skip("no namespaces can be made here")
    expected = ROWS[name].process if kind.is_process else ROWS[name].subinterpreter
    assert (done.code, done.out) == (0, f"{SEEN.get(expected, expected)}\n")
    # A fork server that still imports as its parent ends may say that it is alone.
    assert not done.err or (name == "slow main" and "multiprocessing.forkserver" in done.err)


MAIN = """\
class Numbers:
    def __iter__(self):
        yield from range(1000)

if __name__ == "__main__":
    import farside
    from tests.scripts.starting import start
    with start(Numbers) as numbers:
        print(list(numbers) == list(range(1000)), farside.__file__)
"""


@pytest.mark.parametrize("kind", PERFORMED, ids=lambda kind: kind.name)
def test_a_program_in_a_zip_file(tmp_path: Path, kind: Kind) -> None:
    folder = tmp_path / "program"
    package = Path(farside.__file__).parent
    copytree(package, folder / "farside", ignore=ignore_patterns("__pycache__"))
    write_script(folder, MAIN, "__main__.py")
    zipapp.create_archive(folder, tmp_path / "program.pyz")
    done = run_command(tmp_path, str(tmp_path / "program.pyz"), kind=kind)
    where = tmp_path / "program.pyz" / "farside" / "__init__.py"
    assert done == (0, f"True {where}\n", "")


@pytest.mark.parametrize("kind", PERFORMED, ids=lambda kind: kind.name)
def test_a_python_without_frozen_modules(tmp_path: Path, kind: Kind) -> None:
    script = write_script(tmp_path, MAIN)
    done = run_command(tmp_path, "-X", "frozen_modules=off", str(script), kind=kind)
    assert (done.code, done.out[:5], done.err) == (0, "True ", "")
