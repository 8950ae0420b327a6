"""Check the types of the code in the guides as ``mypy --strict`` does, a page at a time.

``python tests/docs/check_types.py`` needs mypy; ``tox run -e typing`` runs it. Each page has a
folder of its own, with the files that its blocks are. Blocks that no test runs are left out, and so
are sessions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(_ROOT))

from tests.docs.blocks import blocks_of  # noqa: E402  the line above lets it be found

_CONFIGURATION = """\
[mypy]
strict = true
disallow_subclassing_any = false
disallow_untyped_decorators = false
[mypy-farside.*]
follow_imports = silent
"""
# They have no types, take minutes, or are not installed where types are checked. What derives from
# them, or is decorated by them, is then untyped too.
_UNTYPED = (
    "PIL accelerate datasets fastapi httpx jax lightning pandas polars pyarrow ray spdl starlette "
    "torch torchdata uvicorn webdataset"
)
_SKIP = "[mypy-{}.*]\nfollow_imports = skip\nignore_missing_imports = true\n"


def write_page(text: str, folder: Path) -> list[str]:
    """Write what can be checked of a page, and return the names of the files."""
    names: dict[str, str] = {}
    for block in blocks_of(text):
        newer = block.needs.startswith("Python 3.") and sys.version_info < _version(block.needs)
        if block.language != "python" or block.is_session or block.not_run or newer:
            continue
        name = block.file or f"line_{block.line}.py"
        if name in names:  # the page has a newer version of it: this is the last block of that name
            names[f"old_{len(names)}.py"] = names[name]
        # Behind blank lines, so that mypy tells the lines of the page.
        names[name] = "\n" * (block.line - 1) + block.text
    for name, code in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(code)
    return list(names)


def _version(needs: str) -> tuple[int, ...]:
    """Return which Python ``Python 3.14`` is."""
    return tuple(map(int, needs.split()[1].split(".")))


def check_page(page: Path, folder: Path, number: int) -> bool:
    """Check a page in an empty folder, print what is wrong, and return whether it is right."""
    names = write_page(page.read_text("utf-8"), folder)
    if not names:
        return True
    for name in names:  # mypy takes a file of the same name, size and time for the one of before
        os.utime(folder / name, (number, number))
    config = folder / "mypy.ini"
    config.write_text(_CONFIGURATION + "".join(map(_SKIP.format, _UNTYPED.split())))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", "../cache", *names],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(_ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        print(f"{page.relative_to(_ROOT)}: {line}")
    return done.returncode == 0


def main(pages: list[str]) -> int:
    """Check these pages, or all guides, and return the exit code."""
    found = [Path(page).resolve() for page in pages] or sorted(_ROOT.glob("docs/guides/**/*.md"))
    with tempfile.TemporaryDirectory() as top:
        wrong = []
        for number, page in enumerate(found):
            folder = Path(top, str(number))
            folder.mkdir()
            if not check_page(page, folder, number):
                wrong.append(page.name)
    print(f"{len(found)} pages, {len(wrong)} with errors: {' '.join(wrong) or 'none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
