"""Inputs, calls and tasks whose classes and functions live in a main module without a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scripts.running import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

MAIN = """\
import os, sys
from farside import NotPicklableError, WorkerExecutor, iterate_in_worker, map_in_workers

name = os.environ["FARSIDE_TEST_KIND"]
if name in {"subinterpreter", "inline"}:
    options = {"backend": name}
else:
    options = {"backend": "subprocess", "mp_context": name}

class Number:
    def __init__(self, value):
        self.value = value
    def double(self):
        return Number(2 * self.value)

class Adder:
    def __iter__(self):
        return iter(())
    def add(self, number):
        return Number(number.value + 1)

def double(number):
    assert type(number) is Number
    return number.double()

def results():
    with map_in_workers(double, [Number(1), Number(2)], 1, **options) as doubled:
        yield from doubled
    with iterate_in_worker(Adder, **options) as adder:
        yield adder.call("add", Number(6))
    if name != "inline":
        with WorkerExecutor(1, **options) as executor:
            yield executor.submit(double, Number(4)).result()
            yield executor.submit(Number(5).double).result()

found = list(results())
assert all(type(each) is Number for each in found), found
print([each.value for each in found])

sys.modules["cloudpickle"] = None
try:
    with map_in_workers(len, [[], Number(1)], 1, **options) as lengths:
        print(list(lengths))
except NotPicklableError as error:
    print(error)
except TypeError as error:
    print("it has come")
"""


def test_inputs_and_tasks_are_defined_where_no_worker_can_import_them(
    tmp_path: Path, kind: Kind
) -> None:
    done = run_command(tmp_path, "-c", MAIN, kind=kind)
    assert done.err == ""
    found, refused = done.out.splitlines()
    assert found == ("[2, 4, 7]" if kind.name == "inline" else "[2, 4, 7, 8, 10]")
    if kind.name in {"inline", "fork"}:
        assert refused == "it has come"
    else:
        assert "the input of index 1 cannot be sent to a worker: it does not pickle" in refused
        assert "refers to __main__, which a worker cannot import here" in refused
        assert "or install cloudpickle" in refused
