"""Builds the distributions, checks them, and uses the wheel in a clean environment.

``tox run -e package`` runs it, in an environment that has ``build``, ``twine`` and
``check-wheel-contents``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("smoke.py")

IN_SDIST = [
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "SECURITY.md",
    "benchmarks/__main__.py",
    "docs/conf.py",
    "docs/index.md",
    "examples/parse_stdlib.py",
    "pyproject.toml",
    "src/farside/__init__.py",
    "tests/conftest.py",
    "tests/packaging/smoke.py",
    "tox.ini",
]
NOT_IN_SDIST = [".ci/run", ".tox", ".git/HEAD"]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command; show it, and return what it printed."""
    print("$", *command, flush=True)
    # What is here, in the working tree, must not be found instead of what was installed.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, check=False, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"it ended with exit code {done.returncode}")
    return done.stdout


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def check_sdist(sdist: Path) -> None:
    """Check that the source distribution has what it takes to test and build it again."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = [name for name in IN_SDIST if name not in names]
    surplus = [name for name in NOT_IN_SDIST if name in names]
    assert not missing, f"not in the sdist: {missing}"
    assert not surplus, f"in the sdist: {surplus}"


def check_clean_environment(wheel: Path, folder: Path) -> None:
    """Install the wheel, and nothing else, and use it."""
    environment = folder / "clean"
    venv.create(environment, with_pip=True, clear=True, symlinks=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    version = run(environment / "bin" / "farside", "--version", cwd=folder).strip()
    assert version == f"farside {wheel.name.split('-')[1]}", version
    run(python, "-m", "farside", "doctor", "--json", cwd=folder)
    run(python, "-W", "error", SMOKE, cwd=folder)


def main(folder: Path) -> None:
    """Do all of it, in a folder that may be overwritten."""
    # The sdist, the wheel that is made of it, and the wheel that is made of the working tree.
    for what in ((), ("--wheel",)):
        out = folder / ("direct" if what else "dist")
        run(sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", out)
    [sdist] = (folder / "dist").glob("*.tar.gz")
    [wheel] = (folder / "dist").glob("*.whl")
    [direct] = (folder / "direct").glob("*.whl")
    assert contents(wheel) == contents(direct), "the sdist makes another wheel than the tree"
    check_sdist(sdist)
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    run(Path(sys.executable).with_name("check-wheel-contents"), wheel)
    check_clean_environment(wheel, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
