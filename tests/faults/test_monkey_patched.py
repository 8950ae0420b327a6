"""Programs that gevent or eventlet has patched: what works does, and the rest says so at once."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.kinds import SUBPROCESSES
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
import sys, types

def patch():
    if sys.argv[1] == "gevent":
        from gevent import monkey
        monkey.patch_all()
    elif sys.argv[1] == "eventlet":
        import eventlet
        eventlet.monkey_patch(select=False, os=False)
    else:
        sys.modules["gevent.monkey"] = types.SimpleNamespace(
            is_module_patched={"_thread", "socket"}.__contains__
        )

def fn():
    if sys.argv[2] == "in fn":
        patch()
    return range(3)

if sys.argv[2] == "at the top":
    patch()

if __name__ == "__main__":
    if sys.argv[2] == "below":
        patch()
    import farside
    try:
        with farside.iterate_in_worker(fn, timeout=20) as items:
            print(list(items), list(items))
    except farside.FarsideError as error:
        print("only below if __name__" in str(error), "or in fn" in str(error))
"""

THERE = [name for name in ("gevent", "eventlet") if find_spec(name) is not None]


@pytest.mark.parametrize("library", [*THERE, "like gevent"])
@pytest.mark.parametrize("where", ["at the top", "below", "in fn"])
def test_what_works(tmp_path: Path, library: str, where: str) -> None:
    if library == "gevent" and where == "in fn" and sys.version_info >= (3, 14):
        return  # it does not load in a subinterpreter, which `auto` takes here
    done = run_script(tmp_path, SCRIPT, library, where, kind=SUBPROCESSES[0])
    expected = "True True\n" if where == "at the top" else "[0, 1, 2] [0, 1, 2]\n"
    assert (done.code, done.out) == (0, expected), done.err
