"""A script without ``if __name__ == "__main__":`` is told so, in few lines."""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import TYPE_CHECKING

import pytest

from farside import BackendUnavailableError, FarsideError
from farside._backends.live_workers import IMPORTING
from farside._parent import unguarded
from farside._parent.unguarded import MESSAGE
from tests.kinds import KINDS
from tests.scripts.running import run_script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

_SCRIPT = """
from tests.scripts.starting import start

def numbers():
    return [1]

print("imported", flush=True)
with start(numbers) as received:
    print(list(received))
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_one_message_says_it(kind: Kind, tmp_path: Path) -> None:
    done = run_script(tmp_path, _SCRIPT, kind=kind)
    if kind.name == "fork":  # it imports nothing
        assert (done.code, done.out) == (0, "imported\n[1]\n")
        return
    assert done.code == 1
    assert MESSAGE in done.err
    assert "runpy" not in done.err  # no traceback of what has imported it
    if kind.name != "forkserver":  # the end of one that was asked for is an error with a cause
        assert done.err.rstrip().endswith(MESSAGE)
        assert done.err.count("Traceback") == 1


_MODULE = """
from tests.scripts.starting import start

def numbers():
    return [1]

received = start(numbers)
"""

_USES_MODULE = """
if __name__ == "__main__":
    import served

    with served.received as received:
        print(list(received))
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_module_that_starts_workers_is_told_so_too(kind: Kind, tmp_path: Path) -> None:
    # The worker imports it to find `numbers`: it would start a worker, which imports it, and so on.
    (tmp_path / "served.py").write_text(_MODULE)
    done = run_script(tmp_path, _USES_MODULE, kind=kind)
    if kind.name == "fork":
        assert (done.code, done.out) == (0, "[1]\n")
        return
    assert done.code == 1
    assert done.err.rstrip().endswith(MESSAGE)
    assert done.err.count("Traceback") == 1


_EXECUTOR = """
import farside
from tests.scripts.starting import chosen_kind

def double(number):
    return 2 * number

kind = chosen_kind()
with farside.WorkerExecutor(1, backend=kind.backend, **kind.options) as executor:
    print(executor.submit(double, 3).result())
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_executor_says_it_too(kind: Kind, tmp_path: Path) -> None:
    done = run_script(tmp_path, _EXECUTOR, kind=kind)
    if kind.name == "fork":
        assert (done.code, done.out) == (0, "6\n")
        return
    assert done.code == 1
    assert "runpy" not in done.err
    if kind.name != "forkserver":
        assert done.err.rstrip().endswith(MESSAGE)
        # Python 3.13 says so of a thread that was started in a subinterpreter, as that ends.
        own = done.err.count("Exception ignored in: <function _DeleteDummyThreadOnDel")
        assert own == (sys.version_info[:2] == (3, 13) and kind.name == "subinterpreter")
        assert done.err.count("Traceback") == 1 + own  # its cause, the workers', has none
        assert "WorkerRestartedWarning" not in done.err


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the exit statuses with which this process would have ended."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def caused(error: Exception) -> Exception:
    error.__cause__ = BackendUnavailableError("no", reason=IMPORTING)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("no"),
        FarsideError("no"),
        BackendUnavailableError("no", reason="another one"),
        caused(ValueError("no")),  # of user code, which may have told why
    ],
    ids=["other", "ours", "another reason", "of user code"],
)
def test_other_errors_keep_their_traceback(
    error: Exception, codes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    unguarded._show(type(error), error, None)
    assert f"{type(error).__name__}: no" in capsys.readouterr().err
    assert codes == []


@pytest.mark.parametrize("name", ["MainProcess", "another one"])
def test_only_a_fork_server_says_why_it_ends(
    name: str,
    codes: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_name", name)
    monkeypatch.setattr(sys, "stdout", None)
    error = caused(FarsideError("no"))
    unguarded._show(type(error), error, None)
    told = f"{MESSAGE}\n" if name == "MainProcess" else ""  # a fork server's parent does not know
    assert capsys.readouterr().err == told
    assert codes == [unguarded.EXIT_CODE]
