"""The arrows between the parts point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import farside

_ROOT = Path(farside.__file__).parent

_ALLOWED = {
    "_protocol": set(),
    "_transport": set(),
    "_worker": {"_protocol", "_transport"},
    "_backends": {"_transport", "_worker", "_options"},
    "_options": {"_backends", "_identity"},  # names of backends
    "_identity": set(),
    "_turn": {"_transport"},
    "_records": {"_transport", "_worker"},
    "_warn": set(),
    "_duals": {"_transport", "_worker"},
    "_failures": {"_transport", "_worker", "_backends", "_duals"},
    "_dialogue": {"_protocol", "_transport", "_backends"},
    "_stacks": {"_transport"},
    "_calls": {"_protocol", "_transport", "_worker", "_session", "_failures"},
    "_receiving": {
        "_protocol", "_transport", "_backends", "_options", "_dialogue", "_turn", "_failures",
        "_records",
    },
    "_pass": {"_transport", "_loops"},
    "_passes": {"_protocol", "_transport", "_session", "_pass", "_warn"},
    "_session": {
        "_protocol", "_transport", "_backends", "_options", "_failures", "_pass", "_turn",
        "_calls", "_dialogue", "_receiving", "_records", "_stacks", "_ledger",
    },
    "_loops": set(),
    "_ledger": {"_transport", "_pass"},
    "_stats": {"_session"},
    "_async": {"_loops", "_passes", "_transport"},
    "_starting": {"_backends", "_options", "_session", "_warn"},
    "_iterable": {
        "_options", "_session", "_pass", "_passes", "_calls", "_failures", "_starting",
        "_warn", "_async", "_loops", "_stats",
    },
    "_api": {"_iterable", "_options"},
    "errors": set(),
    "numpy": {"_transport"},
    "backends": {"_backends", "_options", "_transport", "_worker"},
    "testing": {"_backends", "_protocol", "_transport", "_iterable"},
    "_cli": {"_backends", "_options", "_transport", "testing"},
    "__main__": {"_cli"},
    "__init__": {"_worker", "_api", "_iterable", "_stats", "_backends", "_transport", "numpy"},
}  # fmt: skip
"""Which part may import which. Everything may import errors."""

_FOR_TYPES_ONLY = {
    ("_backends", "_options"),
    ("_passes", "_session"),
    ("_calls", "_session"),
    ("_calls", "_worker"),
    ("_dialogue", "_backends"),
    ("_pass", "_loops"),
    ("_pass", "_transport"),
    ("_passes", "_pass"),
    ("_iterable", "_pass"),
    ("_iterable", "_session"),
    ("_ledger", "_pass"),
    ("_stats", "_session"),
    ("_failures", "_backends"),
    ("testing", "_iterable"),
}
"""Arrows that only type checkers follow."""


def _imports(path: Path, *, types: bool) -> set[str]:
    """Name the parts of farside that a file imports."""
    found = set()
    for node in _statements(ast.parse(path.read_text()), types=types):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parent
            for _ in range(node.level - 1):
                base = base.parent
            target = base.joinpath(*(node.module or "").split("."))
            names = [target / alias.name for alias in node.names]
            parts = [
                each.relative_to(_ROOT).parts[0]
                for each in names
                if each.is_relative_to(_ROOT) and each != _ROOT
            ]
            found |= {part for part in parts if (_ROOT / part).is_dir() or _is_module(part)}
    return found


def _is_module(part: str) -> bool:
    return (_ROOT / f"{part}.py").is_file()


def _statements(tree: ast.AST, *, types: bool) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            continue
        found += [node, *_statements(node, types=types)]
    return found


def _part(path: Path) -> str:
    first = path.relative_to(_ROOT).parts[0]
    return first.removesuffix(".py")


def test_every_arrow_is_allowed() -> None:
    wrong = []
    for path in sorted(_ROOT.rglob("*.py")):
        part = _part(path)
        for types in (True, False):
            for target in _imports(path, types=types) - {part, "errors"}:
                hidden = not types and (part, target) in _FOR_TYPES_ONLY
                if target not in _ALLOWED[part] or hidden:
                    wrong.append(f"{path.relative_to(_ROOT)} imports {target}")
    assert wrong == []


def test_the_reader_of_imports_sees_them() -> None:
    assert _imports(_ROOT / "_session.py", types=False) >= {"_protocol", "_pass", "_failures"}
    assert "_options" not in _imports(_ROOT / "_session.py", types=False)
    assert "_options" in _imports(_ROOT / "_session.py", types=True)


def test_the_core_does_no_io() -> None:
    """The protocol imports nothing that could wait, and no clock."""
    allowed = {"__future__", "collections", "enum", "typing"}
    for path in (_ROOT / "_protocol").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module in allowed, path
