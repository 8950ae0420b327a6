"""``fn``, items and exceptions whose classes live in ``__main__``, however Python was started."""

from __future__ import annotations

import os
import pty
import zipapp
from typing import TYPE_CHECKING

import pytest

from farside import WorkerIterationError
from farside.testing.checks import take
from tests.kinds import HAS_SUBINTERPRETERS
from tests.scripts.running import Script, run_command, run_script, write_script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kinds import Kind

# It can be typed into an interactive session as well: no blank line inside of a statement.
MAIN = """\
import sys
from farside import NotPicklableError

class Item:
    def __init__(self, number):
        self.number = number

class ThatError(ValueError):
    def __init__(self, first, second):
        super().__init__(first)
        self.second = second

class Things:
    def __iter__(self):
        yield Item(1)
        yield [Item(2)]
        raise ThatError("first", Item(3))

def make_things():
    return Things()

def check():
    got = []
    try:
        with start(make_things) as things:
            for thing in things:
                got.append(thing)
    except NotPicklableError as error:
        return f"{type(error).__name__}: {error}"
    except ThatError as error:
        first, [second] = got
        items = [first, second, error.second]
        assert all(isinstance(item, Item) for item in items), items
        assert [item.number for item in items] == [1, 2, 3]
        assert isinstance(error.__cause__, ThatError)
        return "round trip"

if __name__ == "__main__":
    from tests.scripts.starting import start
    print("under the guard")
    print("with cloudpickle:", check())
    sys.modules["cloudpickle"] = None
    print("without:", check())

"""

# Its main module is a new one. As profilers do it, and IPython.
RUN = "import multiprocessing, runpy; runpy.run_path('script', run_name='__main__')"

WAYS = {
    "a script": ["script"],
    "a script of another program": ["-c", RUN],
    "python -m package.module": ["-m", "package.module"],
    "python -m package": ["-m", "package"],
    "a folder": ["package"],
    "a zip file": ["package.pyz"],
    "python -c": ["-c", MAIN],
    "standard input": ["-"],
    "an interactive session": ["-i"],
}
IMPORTABLE = {"a script", "a script of another program", "python -m package.module"}


def check(way: str, kind: Kind, out: str) -> None:
    guard, by_value, by_name = out.splitlines()
    assert guard == "under the guard"
    assert by_value == "with cloudpickle: round trip"
    if way in IMPORTABLE or kind.name == "fork":
        assert by_name == "without: round trip"
    else:
        assert by_name.startswith("without: NotPicklableError: fn=<function make_things at ")
        assert "define it at the top level of a module that the worker can import" in by_name
        assert "or install cloudpickle" in by_name
        assert way.removeprefix("python ").removeprefix("a ") in by_name  # so it is named


@pytest.mark.parametrize("way", WAYS)
def test_names_of_the_main_module(tmp_path: Path, kind: Kind, way: str) -> None:
    write_script(tmp_path, MAIN, "script")
    write_script(tmp_path, "", "package/__init__.py")
    write_script(tmp_path, MAIN, "package/module.py")
    write_script(tmp_path, MAIN, "package/__main__.py")
    zipapp.create_archive(tmp_path / "package", tmp_path / "package.pyz")
    stdin = MAIN if way in {"standard input", "an interactive session"} else ""
    done = run_command(tmp_path, *WAYS[way], kind=kind, stdin=stdin)
    assert done.code == 0, done
    if way == "an interactive session":
        assert "Traceback" not in done.err  # the prompts are there
    else:
        assert done.err == ""
    check(way, kind, done.out)


TYPED = """\
from tests.scripts.starting import start
class Item(list): pass

def fn(): return [Item([1]), Item([2])]

things = start(fn)
print("<", [type(thing) is Item for thing in things], ">")
things.close()
exit()
"""


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])  # 3.13+ has an editor for the latter
def test_terminal(
    tmp_path: Path, kind: Kind, terminal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("HOME", str(tmp_path))  # it writes a history
    ours, theirs = pty.openpty()
    try:
        with Script(tmp_path, [], kind=kind, terminal=theirs) as script:
            os.close(theirs)
            os.write(ours, TYPED.encode())
            shown = read_until_all_have_hung_up(ours)
            done = script.wait(20)
    finally:
        os.close(ours)
    assert done.code == 0
    assert "< [True, True] >" in shown


def read_until_all_have_hung_up(terminal: int) -> str:
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 1 << 16)
        except OSError:
            return shown.decode()


def test_pytest_itself(kind: Kind) -> None:
    with kind.start(make_things) as things:
        got, error = take(things)
    assert [type(each) for each in got] == [Item]
    assert isinstance(error, Oops)
    assert isinstance(error, WorkerIterationError)


class Item:
    pass


class Oops(Exception):
    pass


def make_things() -> Iterator[Item]:
    yield Item()
    raise Oops


NAMELESS = """\
import sys
from farside import NotPicklableError

def closure():
    numbers = [1, 2]
    def inner():
        return numbers
    return inner

def check(fn, **options):
    try:
        with start(fn, **options) as numbers:
            print(list(numbers))
    except NotPicklableError as error:
        print(error)

if __name__ == "__main__":
    from tests.scripts.starting import start
    for _ in range(2):
        check(lambda: [1, 2])
        check(closure())
        check(list, initializer=[list, lambda: None])
        sys.modules["cloudpickle"] = None
"""


def test_lambdas_and_closures(tmp_path: Path, kind: Kind) -> None:
    done = run_script(tmp_path, NAMELESS, kind=kind)
    assert (done.code, done.err) == (0, "")
    *with_cloudpickle, a_lambda, a_closure, initializer = done.out.splitlines()
    assert with_cloudpickle == ["[1, 2]", "[1, 2]", "[]"]
    if kind.name == "fork":
        assert [a_lambda, a_closure, initializer] == with_cloudpickle
        return
    assert a_lambda.startswith("fn=<function <lambda> at ")
    assert a_closure.startswith("fn=<function closure.<locals>.inner at ")
    assert initializer.startswith("initializer[1]=<function <lambda> at ")
    for message in (a_lambda, a_closure, initializer):
        assert "define it at the top level" in message
        assert "or install cloudpickle" in message


ONCE = """\
import os

def fn():
    return [os.getpid()]

print("top", flush=True)
if __name__ == "__main__":
    from tests.scripts.starting import start
    print("guarded", flush=True)
    with start(fn) as pids:
        print(list(pids) == list(pids), flush=True)
"""


def test_code_below_the_guard_runs_once(tmp_path: Path, kind: Kind) -> None:
    done = run_script(tmp_path, ONCE, kind=kind)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines.count("guarded") == lines.count("True") == 1
    # A fork server imports it beforehand, and each worker has it then.
    assert lines.count("top") == (1 if kind.name == "fork" else 2)


UNGUARDED = """\
from tests.scripts.starting import start

def fn():
    return [1, 2]

print("top", flush=True)
with start(fn) as numbers:
    print(list(numbers))
"""


def test_a_script_without_a_guard(tmp_path: Path, kind: Kind) -> None:
    done = run_script(tmp_path, UNGUARDED, kind=kind)
    if kind.name == "fork":
        assert done == (0, "top\n[1, 2]\n", "")
    else:
        assert done.code == 1
        assert done.out.count("top") <= 3
        assert "[1, 2]" not in done.out
        last = done.err.rpartition("Traceback (most recent call last)")[2]
        assert "below if __name__ == '__main__':" in last


FAILING = """\
from tests.scripts.starting import start

def numbers():
    yield 0
    raise ValueError("the last")

if __name__ == "__main__":
    with start(numbers) as received:
        try:
            list(received)
        except ValueError as error:
            assert 'raise ValueError("the last")' in error.remote_traceback, error.remote_traceback
    print("told")
"""


def test_its_tracebacks_are_whole_where_warnings_are_errors(tmp_path: Path, kind: Kind) -> None:
    script = write_script(tmp_path, FAILING)
    options = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    done = run_command(tmp_path, *options, str(script), kind=kind)
    assert (done.out, done.code) == ("told\n", 0), done.err


NESTED = """\
def numbers():
    return [1, 2]

def inner():
    from farside import iterate_in_subinterpreter
    with iterate_in_subinterpreter(numbers, fallback=None) as items:
        yield list(items)

if __name__ == "__main__":
    from tests.scripts.starting import start
    with start(inner) as items:
        print(*items)
"""


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="this Python has no subinterpreters")
def test_a_worker_starts_one_of_its_own_for_the_script(
    tmp_path: Path, subprocess_kind: Kind
) -> None:
    done = run_script(tmp_path, NESTED, kind=subprocess_kind)
    assert (done.out, done.err) == ("[1, 2]\n", "")
