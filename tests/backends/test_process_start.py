"""How a process is kept from importing the main module."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import current_process, spawn
from typing import TYPE_CHECKING, Any

import pytest

from farside import iterate_in_subprocess
from farside._backends import subprocess
from farside._backends.child import Child
from farside._backends.process_start import _pretending, with_main_hidden
from tests.backends.main_modules import MainModule
from tests.children import forked, run_python

if TYPE_CHECKING:
    from tests.kinds import Kind


def told_of_main() -> bool:
    """Tell whether a process that is started here and now would import the main module."""
    return any(key.startswith("init_main_from") for key in spawn.get_preparation_data("x"))


@pytest.mark.parametrize("main", [MainModule(__file__), MainModule(__file__, "some.name")])
def test_it_is_hidden_from_a_new_process_alone(monkeypatch: pytest.MonkeyPatch, main: Any) -> None:
    monkeypatch.setitem(sys.modules, "__main__", main)
    before = dict(vars(main))

    def look() -> None:
        assert vars(main) == before
        assert not told_of_main()
        assert with_main_hidden(told_of_main, always=False)  # as a signal handler may do
        assert not told_of_main()
        assert threads.submit(told_of_main).result()

    with ThreadPoolExecutor(1) as threads:
        with_main_hidden(look, always=True)
    assert told_of_main()


def test_what_cannot_be_imported_is_always_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", MainModule("<stdin>"))
    assert told_of_main()
    assert not with_main_hidden(told_of_main, always=False)


def test_one_that_pdb_has_emptied_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    main = MainModule(__file__)
    del main.__spec__
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert with_main_hidden(told_of_main, always=False)


def test_what_stands_in_for_signal_signal_need_not_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a mock in a test of a server that sets handlers."""
    with_main_hidden(list, always=False)  # teaches multiprocessing, if no test before has done so
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    data = _pretending(partial(spawn.get_preparation_data, "x"), starting=True)
    before = signal.getsignal(signal.SIGINT)
    try:
        pickle.loads(pickle.dumps(data["farside"]))
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        monkeypatch.undo()
        signal.signal(signal.SIGINT, before)


def test_multiprocessing_is_taught_once() -> None:
    with_main_hidden(list, always=False)
    taught = spawn.get_preparation_data
    with_main_hidden(list, always=True)
    assert spawn.get_preparation_data is taught


def test_a_forked_child_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", MainModule(__file__))

    def look() -> None:
        assert told_of_main()

    assert with_main_hidden(partial(forked, look), always=True) == 0


def test_a_forked_child_does_not_know_a_process_that_is_just_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would end the process, or wait for it, when it exits."""
    statuses: list[int] = []

    def child_while_another_thread_forks(process: Any) -> Child:
        def look() -> None:
            assert process not in multiprocessing.active_children()

        assert process in multiprocessing.active_children()
        statuses.append(forked(look))
        return Child(process)

    monkeypatch.setattr(subprocess, "Child", child_while_another_thread_forks)
    with iterate_in_subprocess(partial(range, 3), mp_context="spawn") as numbers:
        assert list(numbers) == [0, 1, 2]
    assert statuses == [0]


def test_a_start_method_that_a_library_has_added_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a worker of joblib: a new process would fail to find the method.
    with_main_hidden(list, always=True)
    for method, told in (("loky", None), ("spawn", "spawn")):
        monkeypatch.setattr(spawn, "get_start_method", lambda method=method, **_: method)
        assert spawn.get_preparation_data("x").get("start_method") == told


class KeyOfBilliard(bytes):
    """The key of a process that billiard has started."""

    def __reduce__(self) -> str:
        raise TypeError("Pickling an AuthenticationString object is disallowed")


def test_a_process_of_billiard_has_workers(
    monkeypatch: pytest.MonkeyPatch, subprocess_kind: Kind
) -> None:
    # As in a worker of Celery, whose process takes the place of that of multiprocessing.
    process = current_process()
    monkeypatch.setitem(vars(process)["_config"], "authkey", KeyOfBilliard(process.authkey))
    with subprocess_kind.start(partial(range, 3)) as numbers:
        assert list(numbers) == [0, 1, 2]


STRUCK = """
from functools import partial
from multiprocessing import resource_tracker
from farside import iterate_in_subprocess

def strike():
    resource_tracker.ensure_running = real
    try:
        iterate_in_subprocess(list, mp_context="forkserver").close()
    except RuntimeError as error:
        print("a signal handler starts a worker" in str(error))
    real()

if __name__ == "__main__":
    real, resource_tracker.ensure_running = resource_tracker.ensure_running, strike
    with iterate_in_subprocess(partial(range, 3), mp_context="forkserver") as numbers:
        print(list(numbers))
"""


def test_a_signal_handler_that_starts_a_worker_in_the_start_of_another_does_not_hang() -> None:
    assert run_python(STRUCK) == "True\n[0, 1, 2]\n"
