"""Where a loop begins again Python looks for signals: that is to lie in the `try` around the loop.

If the last statement of a loop is an `if`, or a `while` has a condition, Python 3.12 to 3.14 may
jump back from a place that their tables do not have in the `try`. What a signal handler raises
there passes by its handlers and its `finally`.
"""

import ast
import dis
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import farside

SOURCES = Path(farside.__file__).parent

ELSEWHERE = {
    # In threads of their own: there is no handler, and no SystemExit of the listener's.
    "CommandListener._listen", "CommandListener._run", "Crew._begin", "Crew._run",
    "Flusher._run",
    # The link is of no use after that in any case.
    "FrameReader.read",
    # What is left undone is done by who waits next, or as the executor ends.
    "AsyncWait.until", "AsyncSupply._run", "results_of",
    # What the handler has raised is raised, and there is nothing to undo.
    "replace", "_apart", "_pickles_itself", "_refused",
}  # fmt: skip
"""Functions in which it does no harm."""


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def bodies(tree: ast.AST) -> list[range]:
    """Return the lines of the bodies of all `try` statements."""
    tries = [node.body for node in ast.walk(tree) if isinstance(node, ast.Try)]
    return [range(body[0].lineno, (body[-1].end_lineno or 0) + 1) for body in tries]


def jumps_outside(code: CodeType, tries: list[range]) -> Iterator[str]:
    module: Any = dis  # mypy looks as of Python 3.10
    table = module._parse_exception_table(code)
    steps: list[Any] = list(dis.get_instructions(code))
    lines = {step.offset: step.positions.lineno or 0 for step in steps if step.positions}
    for step in steps:
        covered = [entry for entry in table if entry.start <= step.offset < entry.end]
        if step.opname != "JUMP_BACKWARD" or covered:
            continue
        line, target = lines[step.offset], lines[step.argval]
        within = [each for each in tries if line in each and target in each]
        if within and within[-1].start >= code.co_firstlineno:
            yield f"line {line}"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its tables have them")
@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.stem)
def test_each_jump_back_lies_in_the_try_around_its_loop(path: Path) -> None:
    text = path.read_text()
    tries = bodies(ast.parse(text))
    found = {
        getattr(code, "co_qualname"): line  # noqa: B009  as above
        for code in codes(compile(text, str(path), "exec"))
        for line in jumps_outside(code, tries)
    }
    assert {name: found[name] for name in found if name not in ELSEWHERE} == {}
