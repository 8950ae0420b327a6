"""The code in the documentation runs, and prints what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import farside
from tests.docs.blocks import Block, blocks_of
from tests.docs.running import Folder, prepare

_ROOT = Path(__file__).parents[2]
_GIVEN = Path(__file__).parent / "given"
"""For each page, by its path, the files that its reader already has."""

_PAGES = [
    _ROOT / "README.md",
    _ROOT / "CONTRIBUTING.md",
    *sorted(
        page
        for page in (_ROOT / "docs").rglob("*.md")
        if not {"_build", "changelog.d"} & {*page.parts}
    ),
]
_LIBRARIES = (
    "PIL", "accelerate", "datasets", "fastapi", "httpx", "jax", "lightning", "numpy", "pandas",
    "polars", "pyarrow", "spdl", "starlette", "torch", "torchdata", "uvicorn", "webdataset",
)  # fmt: skip
_MINORS = {f"Python 3.{minor}": minor for minor in range(11, 16)}

_ALL = {str(page.relative_to(_ROOT)): blocks_of(page.read_text("utf-8")) for page in _PAGES}


def _can_run(needs: str) -> bool:
    """Whether all is here that a mark names, such as ``starlette, uvicorn``."""
    if needs in _MINORS:
        return sys.version_info >= (3, _MINORS[needs])
    return all(find_spec(each) is not None for each in needs.split(", "))


def _runs() -> list[tuple[str, str]]:
    """Each page once without what may be missing here, and once with each of that."""
    return [
        (page, needs)
        for page, blocks in _ALL.items()
        for needs in sorted({block.needs for block in blocks})
        if not needs or _can_run(needs)
    ]


@pytest.mark.parametrize(
    ("page", "needs"), _runs(), ids=[f"{page}-{needs or 'nothing'}" for page, needs in _runs()]
)
@pytest.mark.timeout(150)
def test_the_code_of_a_page_runs(page: str, needs: str, tmp_path: Path) -> None:
    prepare(_GIVEN / page.removesuffix(".md"), tmp_path)
    wanted = [block for block in _ALL[page] if block.needs in ("", needs) and not block.not_run]
    Folder(tmp_path, page).run(wanted)


@pytest.mark.parametrize("page", _ALL)
def test_marks_are_known(page: str) -> None:
    """Otherwise a block with a slip of the pen would never be run."""
    known = {"", *_LIBRARIES, *_MINORS}
    assert {each for block in _ALL[page] for each in block.needs.split(", ")} <= known
    text = (_ROOT / page).read_text("utf-8")
    marks = re.findall(r"^\s*<!-- (?:needs|not run):", text, re.MULTILINE)
    assert len(marks) == sum(1 for block in _ALL[page] if block.needs or block.not_run)


@pytest.mark.parametrize("page", _ALL)
def test_code_has_a_language(page: str) -> None:
    assert [block.line for block in _ALL[page] if not block.language] == []


def test_the_first_block_of_the_readme_works_in_a_prompt() -> None:
    """Where an empty line ends a block, and the main module is no file."""
    text = _ALL["README.md"][0].text + "\n"
    source = str(Path(farside.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-i", "-W", "ignore"],
        env={**os.environ, "PYTHONPATH": source, "PYTHON_BASIC_REPL": "1"},
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.count("[0, 1, 2]") == 3, done.stdout
    assert "Error" not in done.stdout


# The parser and the runner ------------------------------------------------------------------------

_PAGE = """\
# A page

```python
# one.py
ONE = 1
```

<!-- needs: torch -->
```python
import torch
```

* A list
  ```python
  >>> 1 + 1
  2
  ```

````{note}
```python
of a directive
```
````

<!-- not run: it is a fragment -->

```python
never read: there is a blank line
```
<!-- not run: it is a fragment -->
```python
...
```
"""


def test_the_parser_finds_blocks_and_marks() -> None:
    first, second, third, fourth, fifth = blocks_of(_PAGE)
    assert first == Block(4, "python", "# one.py\nONE = 1\n", "", "")
    assert first.file == "one.py"
    assert (second.needs, second.file, second.is_session) == ("torch", "", False)
    assert third.text == ">>> 1 + 1\n2\n"
    assert third.is_session
    assert not fourth.not_run
    assert (fifth.not_run, fifth.line) == ("it is a fragment", 32)


def _run(folder: Path, page: str) -> None:
    Folder(folder, "page.md").run(blocks_of(page))


def test_files_and_commands_share_a_folder(tmp_path: Path) -> None:
    _run(
        tmp_path,
        "```python\n# one.py\nprint('one')\n```\n"
        "```python\nimport one\n```\n"
        "```console\n$ python one.py\none\n$ echo a; echo b; echo c\na\n...\nc\n```\n"
        "```console\n$ echo a\na\n...\n```\n"
        "```python\n>>> import one\none\n>>> x = 3\n```\n"
        "```python\n>>> x\n3\n```\n",
    )


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("```console\n$ echo 1\n2\n```\n", r"page.md:2: \$ echo 1\nprints\n1\n\nand not\n2"),
        ("```console\n$ false\n```\n", r"page.md:2: \$ false\nended with 1"),
        ("```console\nwhat\n```\n", "page.md:2: output without a command"),
        ("```python\n1 / 0\n```\n", "(?s)line 2.*ZeroDivisionError"),
        ("```python\n# unused.py\n1 / 0\n```\n", "(?s)unused.py.*ZeroDivisionError"),
        ("\n```python\n>>> 1\n2\n```\n", "(?s)line 3.*Expected:\n    2\nGot:\n    1"),
    ],
)
def test_what_does_not_hold_is_told_with_its_line(page: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=says):
        _run(tmp_path, page)
