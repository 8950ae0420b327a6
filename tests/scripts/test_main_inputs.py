"""What is sent to a worker that runs, and lives in ``__main__``: inputs, tasks, and arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripts.running import run_command, write_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

MAIN = """\
import sys

from farside import NotPicklableError, WorkerExecutor, map_in_workers

class Item:
    def __init__(self, number):
        self.number = number

class Numbers(list):
    def add(self, item):
        self.append(item.number)
        return Item(sum(self))

def number_of(item):
    return item.number

def send(**options):
    with map_in_workers(number_of, [Item(1), "__main__"], 1, on_error="return", **options) as each:
        one, error = each
        yield one if isinstance(error, AttributeError) else error
    with WorkerExecutor(1, **options) as executor:
        yield executor.submit(number_of, Item(2)).result()
        yield from executor.map(number_of, [Item(3)])
    with start(Numbers) as numbers:
        yield number_of(numbers.call("add", Item(4)))

def refuse():
    with WorkerExecutor(1, **options) as executor:
        print(executor.submit(number_of, Item(2)).exception())
    with map_in_workers(abs, [Item(3)], 1, on_error="return", **options) as results:
        print(*results)
    with start(list) as numbers:
        try:
            numbers.call("append", Item(4))
        except NotPicklableError as error:
            print(error)

if __name__ == "__main__":
    from tests.scripts.starting import chosen_kind, start
    kind = chosen_kind()
    options = {"backend": kind.backend, **kind.options}
    if "refused" in sys.argv:
        sys.modules["cloudpickle"] = None
        refuse()
    else:
        for result in send(**options):
            print(result)
"""

WAYS = {
    "a script": ["script"],
    "python -m package": ["-m", "package"],
    "python -c": ["-c", MAIN],
    "standard input": ["-"],
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sent_later(tmp_path: Path, kind: Kind, way: str) -> None:
    write_script(tmp_path, MAIN, "script")
    write_script(tmp_path, MAIN, "package/__main__.py")
    stdin = MAIN if way == "standard input" else ""
    done = run_command(tmp_path, *WAYS[way], kind=kind, stdin=stdin)
    assert done == (0, "1\n2\n3\n4\n", "")


def test_without_cloudpickle_it_is_refused(tmp_path: Path, kind: Kind) -> None:
    done = run_command(tmp_path, "-c", MAIN, "refused", kind=kind)
    assert (done.code, done.err) == (0, "")
    if kind.name == "fork":
        assert "cannot import" not in done.out
        return
    messages = done.out.splitlines()
    assert len(messages) == 3
    for message in messages:
        assert "it refers to __main__, which a worker cannot import here" in message
