"""The arrows between the parts point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import farside

_ROOT = Path(farside.__file__).parent

_ALLOWED = {
    "_protocol": set(),
    "_system": set(),
    "_memory": {"_system"},
    "_link": {"_system", "_memory"},
    "_payload": {"_memory", "_link"},
    "_worker": {"_protocol", "_system", "_memory", "_link", "_payload"},
    "_backends": {"_system", "_memory", "_link", "_payload", "_worker", "_parent", "options"},
    "_parent": {
        "_protocol", "_system", "_memory", "_link", "_payload", "_worker", "_backends",
        "options",
    },
    "api": {"_parent", "_worker", "options"},
    "_in_c": set(),
    "_named_tuple": set(),
    "errors": set(),
    "options": set(),
    "numpy": {"_memory"},
    "torch": {"_parent", "_protocol", "_worker", "options"},
    "backends": {"_backends", "_payload", "_parent", "_link", "_worker"},
    "testing": {
        "_backends", "_protocol", "_payload", "_link", "_memory", "_parent", "_worker",
    },
    "_cli": {"_system", "_backends", "_parent", "_payload", "_worker", "testing"},
    "__main__": {"_cli"},
    "__init__": {"_payload", "_parent", "_backends", "_memory", "api", "numpy", "torch"},
}  # fmt: skip
"""Which part may import which, beside what everything may import."""

_FOR_ALL = {"errors", "_in_c", "_named_tuple"}

_FOR_TYPES_ONLY = {
    ("_payload", "_link"),
    ("_backends", "_parent"),
    ("testing", "_parent"),
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
            for target in _imports(path, types=types) - {part} - _FOR_ALL:
                hidden = not types and (part, target) in _FOR_TYPES_ONLY
                if target not in _ALLOWED[part] or hidden:
                    wrong.append(f"{path.relative_to(_ROOT)} imports {target}")
    assert wrong == []


def test_the_reader_of_imports_sees_them() -> None:
    assert _imports(_ROOT / "_backends" / "base.py", types=False) == {"errors"}
    assert "_parent" in _imports(_ROOT / "_backends" / "base.py", types=True)


def test_the_core_does_no_io() -> None:
    """The protocol imports nothing that could wait, and no clock."""
    allowed = {"__future__", "collections", "collections.abc", "enum", "operator", "typing"}
    allowed |= {"_blake2", "bisect", "hashlib", "struct"}  # arithmetic alone
    for path in (_ROOT / "_protocol").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module in allowed, path


def test_what_a_pass_is_made_of_does_not_know_the_client() -> None:
    """Of the modules beside them, its own use those for messages and checks alone."""
    helpers = {"checks", "event_loops", "messages_for_people", "not_sent", "notes"}
    helpers |= {"remote_failures"}
    for path in (_ROOT / "_parent" / "passes").glob("*.py"):
        for node in _statements(ast.parse(path.read_text()), types=True):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                names = [node.module] if node.module else [each.name for each in node.names]
                assert helpers.issuperset(names), path
