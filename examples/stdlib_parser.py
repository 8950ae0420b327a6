"""The worker's half of ``parse_stdlib.py``: list Python files and parse them one by one.

It is a module of its own, not a part of the script, for two reasons. A worker finds a function by
the name of its module; the script's own module is ``__main__``, which a spawned process and a
subinterpreter have to build first by running the script once more under another name, so that
classes made there would be twins of the parent's. And what a worker imports is time before its
first item: the script needs ``farside``, threads, an argument parser and a progress bar, this
module needs none of them.
"""

import ast
import hashlib
import io
import os
import tokenize
import warnings
from collections.abc import Iterator
from typing import NamedTuple

NOT_STDLIB = frozenset({"site-packages", "dist-packages"})

# What a file that is not valid Python may raise. Anything else is a fault of this program, and is
# left to reach the caller.
BAD_FILE = (OSError, SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError)


class FileRecord(NamedTuple):
    """What is known of one file: cannot be changed, compares by value, small when pickled.

    Attributes:
        path: Path relative to the root, with ``/`` between its parts.
        size: Bytes in the file.
        tokens: Tokens that `tokenize` found; 0 for a bad file.
        nodes: Nodes of the `ast` tree; 0 for a bad file.
        digest: Hash over the text of every token and the type of every node; empty for a bad file.
        error: Why the file could not be read or parsed; empty for a good one.
    """

    path: str
    size: int
    tokens: int = 0
    nodes: int = 0
    digest: str = ""
    error: str = ""


def list_files(root: str, limit: int | None = None) -> list[str]:
    """List the ``.py`` files under a folder, without installed packages.

    Args:
        root: The folder.
        limit: Return no more than this many files; None for all.

    Returns:
        Paths relative to `root`, sorted, so that every run sees the same order.
    """
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in NOT_STDLIB]
        paths = (os.path.join(folder, name) for name in names if name.endswith(".py"))
        found += [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]
    return sorted(found)[:limit]


def parse_files(root: str, limit: int | None = None) -> Iterator[FileRecord]:
    """Parse the files that `list_files` finds, in its order.

    No file is left out: one that is not valid Python yields a record with the error.

    Args:
        root: The folder.
        limit: Parse no more than this many files; None for all.

    Yields:
        One record for each file.
    """
    for path in list_files(root, limit):
        yield parse_file(root, path)


def parse_file(root: str, path: str) -> FileRecord:
    """Read, tokenize and parse one file.

    Args:
        root: The folder that `path` is relative to.
        path: The file.

    Returns:
        The file's record, with `FileRecord.error` set when it cannot be read or parsed.
    """
    source = b""
    try:
        with open(os.path.join(root, path), "rb") as file:
            source = file.read()
        tokens, nodes, digest = _analyse(source)
    except BAD_FILE as error:
        return FileRecord(path, len(source), error=f"{type(error).__name__}: {error}")
    return FileRecord(path, len(source), tokens, nodes, digest)


def _analyse(source: bytes) -> tuple[int, int, str]:
    """Count tokens and tree nodes of a source text, and hash what was counted."""
    tokens = nodes = 0
    digest = hashlib.blake2b(digest_size=16)
    with warnings.catch_warnings():
        # Old code warns (invalid escapes); the run's -W options must not change the result.
        warnings.simplefilter("ignore")
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            digest.update(f"{token.type} {token.string}\n".encode("utf-8", "backslashreplace"))
            tokens += 1
        tree = ast.parse(source)
    for node in ast.walk(tree):
        digest.update(f"{type(node).__name__}\n".encode())
        nodes += 1
    return tokens, nodes, digest.hexdigest()
