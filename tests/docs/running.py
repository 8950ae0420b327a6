"""Run the code of a page: in a folder of its own, in the order in which a reader does."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import farside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.docs.blocks import Block

_COMMAND_S = 50
_RUN = {"python", "console", "pycon"}
"""Languages that are run. ``sh`` shows what needs a network or another folder; others are data."""


class Folder:
    """A folder in which the blocks of one page are run.

    * A Python block whose first line is the name of a file, such as ``# samples.py``, is written
      to it. A file that no command of the page names is run by itself in the end.
    * A Python block that begins with ``>>>`` is run as a doctest; all of a page are one session.
    * Any other Python block is run as a script.
    * In a console block, lines that begin with ``$`` are run by a shell, and what follows them is
      what they must print; ``...`` stands for anything. A command must succeed, unless it prints
      a traceback.
    """

    def __init__(self, path: Path, page: str) -> None:
        self._path = path
        self._page = page
        self._unused: dict[str, int] = {}

    def run(self, blocks: Sequence[Block]) -> None:
        """Run the blocks.

        Raises:
            AssertionError: one of them fails, or prints something else.
        """
        for block in blocks:
            if block.language not in _RUN or block.is_session:
                continue
            if block.language == "console":
                self._run_commands(block)
            elif block.file:
                self._write(block)
            else:
                self._run_script(f"line_{block.line}.py", block)
        for name, line in self._unused.items():
            self._execute(f"python {name}", line)
        self._run_sessions([block for block in blocks if block.is_session])

    def _write(self, block: Block) -> None:
        path = self._path / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        self._unused[block.file] = block.line

    def _run_script(self, name: str, block: Block) -> None:
        # Behind blank lines, so that a traceback tells the lines of the page.
        (self._path / name).write_text("\n" * (block.line - 1) + block.text)
        self._execute(f"python {name}", block.line)

    def _run_commands(self, block: Block) -> None:
        command, line, wanted = "", block.line, ""
        for offset, text in enumerate(block.text.splitlines(keepends=True)):
            if text.startswith("$ "):
                self._check(command, line, wanted)
                command, line, wanted = text[2:].strip(), block.line + offset, ""
            else:
                wanted += text
        self._check(command, line, wanted)

    def _check(self, command: str, line: int, wanted: str) -> None:
        if not command:
            assert not wanted, f"{self._page}:{line}: output without a command"
            return
        self._unused = {name: at for name, at in self._unused.items() if not _is_in(name, command)}
        got = self._execute(command, line, may_fail="Traceback (most recent call last)" in wanted)
        pattern = re.sub(r"^\.\.\.\n\Z", "...", wanted, flags=re.MULTILINE)  # or nothing
        got = re.sub(r"\n+\Z", "\n", got)  # a blank line at the end is not worth showing
        same = doctest.OutputChecker().check_output(pattern, got, doctest.ELLIPSIS)
        assert same, f"{self._page}:{line}: $ {command}\nprints\n{got}\nand not\n{wanted}"

    def _run_sessions(self, blocks: Sequence[Block]) -> None:
        if not blocks:
            return
        lines = [""] * (blocks[-1].line + blocks[-1].text.count("\n"))
        for block in blocks:
            for offset, line in enumerate(block.text.splitlines()):
                lines[block.line - 1 + offset] = line
        (self._path / "session.txt").write_text("\n".join(lines) + "\n")
        self._execute("python -m doctest -o ELLIPSIS session.txt", blocks[0].line)

    def _execute(self, command: str, line: int, *, may_fail: bool = False) -> str:
        bin_dir = str(Path(sys.executable).parent)
        env = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
        env["PATH"] = os.pathsep.join([bin_dir, os.environ.get("PATH", os.defpath)])
        env["PYTHONPATH"] = str(Path(farside.__file__).parents[1])
        env["PYTHONUNBUFFERED"] = "1"  # both streams in order, as on a terminal
        # A warning would be on the reader's screen. The one about a fallback is for old Pythons.
        env["PYTHONWARNINGS"] = "error,ignore:a subprocess runs the iterable"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        said = f"{self._page}:{line}: $ {command}\nended with {done.returncode}:\n{done.stdout}"
        assert may_fail or done.returncode == 0, said
        return done.stdout


def _is_in(file: str, command: str) -> bool:
    module = file.removesuffix(".py").replace("/", ".")
    return file in command or module in command.replace(":", " ").split()


def prepare(given: Path, folder: Path) -> None:
    """Copy what the page takes for granted."""
    if given.is_dir():
        shutil.copytree(given, folder, dirs_exist_ok=True)
