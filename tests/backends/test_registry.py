"""Which backends there are, and how one is picked."""

from __future__ import annotations

import errno
import re
import sys
import threading
import tracemalloc
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    Availability,
    BackendUnavailableError,
    FarsideWarning,
    available_backends,
    iterate_in_subinterpreter,
    iterate_in_subprocess,
    iterate_in_worker,
    map_in_workers,
    register_backend,
)
from farside._backends import interpreters, registry
from farside._backends.base import Capabilities
from farside._backends.inline import InlineBackend
from farside._backends.subinterpreter import SubinterpreterBackend
from farside._link.base import Link
from farside._link.pipes import PipeLink
from tests.kinds import HAS_SUBINTERPRETERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USABLE = Availability(usable=True, reason="fine")
UNUSABLE = Availability(usable=False, reason="not today; wait until tomorrow")


def _set(monkeypatch: pytest.MonkeyPatch, **states: Availability) -> None:
    for name, state in states.items():
        monkeypatch.setattr(registry.load(name), "availability", staticmethod(lambda s=state: s))


@pytest.mark.parametrize(
    ("number", "limit"), [(errno.EMFILE, "ulimit -n"), (errno.ENFILE, "sysctl fs.file-max")]
)
def test_a_worker_for_which_no_descriptors_are_left_says_what_to_raise(
    monkeypatch: pytest.MonkeyPatch, number: int, limit: str
) -> None:
    def launch(*_: object) -> None:
        raise OSError(number, "Too many open files")

    monkeypatch.setattr(InlineBackend, "launch", launch)
    with pytest.raises(OSError, match=f"files: so no worker can be started; see {limit}$") as got:
        iterate_in_worker(partial(range, 3), backend="inline")
    assert got.value.errno == number


def test_a_backend_that_launches_no_worker_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InlineBackend, "launch", lambda *_: None)
    with pytest.raises(TypeError, match=r"launch\(\) of the inline backend returned NoneType; let"):
        iterate_in_worker(list, backend="inline")


def test_a_signal_that_comes_as_a_worker_was_launched_leaves_none_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launched: list[Any] = []

    class Strikes(type):
        """As a handler that raises when Python looks for signals after `isinstance`."""

        def __instancecheck__(cls, worker: object) -> bool:
            launched.append(worker)
            raise KeyboardInterrupt

    monkeypatch.setattr(registry, "Worker", Strikes("Worker", (), {}))
    with pytest.raises(KeyboardInterrupt):
        iterate_in_subprocess(list)
    assert len(launched) == 1
    # That its process ends, all tests check.


def test_a_limit_is_refused_where_a_link_does_not_tell_whose_time_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", {**registry._BACKENDS})
    register_backend("thread", "tests.backends.in_threads:ThreadBackend")
    start = partial(map_in_workers, abs, [-1], 1, backend="thread", task_timeout=20)
    with start() as results:
        assert list(results) == [1]
    monkeypatch.setattr(PipeLink, "begun", Link.begun)
    with pytest.raises(ValueError, match=r"task_timeout=20\.0 would end nothing .*'thread', whose"):
        start()


def test_names_and_classes() -> None:
    assert registry.names() == ("subinterpreter", "subprocess", "inline", "ray")
    for name in registry.names():
        assert registry.load(name).name == name


def test_available_backends_says_why() -> None:
    states = available_backends()
    assert set(states) == set(registry.names())
    assert states["subprocess"].usable
    assert "spawn" in states["subprocess"].reason
    assert all(state.reason for state in states.values())


def test_what_this_python_offers() -> None:
    state = SubinterpreterBackend.availability()
    if sys.version_info >= (3, 14):
        assert state == (True, "concurrent.interpreters of the standard library")
    elif sys.version_info >= (3, 13):
        assert state == (True, "the backport interpreters-pep-734")
    else:
        assert not state.usable
        assert "has no PEP 734 subinterpreters" in state.reason


def test_a_program_of_pyinstaller_has_no_subinterpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", "/folder", raising=False)
    assert not SubinterpreterBackend.availability().usable


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there are none")
def test_threads_whose_stack_is_too_small_for_a_subinterpreter() -> None:
    small = 1 << 16
    before = threading.stack_size(small)
    try:
        state = SubinterpreterBackend.availability()
        assert not state.usable
        assert f"a stack of {small} bytes" in state.reason
        assert threading.stack_size(before) == small  # to ask has changed nothing
        assert SubinterpreterBackend.availability().usable
    finally:
        threading.stack_size(before)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there are none")
def test_a_process_whose_memory_is_traced() -> None:
    tracemalloc.start()
    try:
        crashes = sys.version_info[:2] == (3, 14)
        assert SubinterpreterBackend.availability().usable is not crashes
        with iterate_in_worker(partial(range, 3)) as numbers:  # the process does not crash
            assert list(numbers) == [0, 1, 2]
    finally:
        tracemalloc.stop()


def test_a_backend_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=USABLE, subprocess=USABLE)
    assert registry.choose("subprocess", None) == ("subprocess", "asked for", "")
    assert registry.choose("subinterpreter", "subprocess") == ("subinterpreter", "asked for", "")


def test_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=UNUSABLE, subprocess=USABLE)
    name, reason, _ = registry.choose("subinterpreter", "subprocess")
    assert name == "subprocess"
    assert "subinterpreter backend cannot be used: not today" in reason


def test_no_fallback_names_reason_and_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=UNUSABLE, subprocess=USABLE)
    with pytest.raises(BackendUnavailableError, match="not today") as caught:
        registry.choose("subinterpreter", None)
    assert "here backend='subprocess' can be used" in str(caught.value)
    assert (caught.value.backend, caught.value.reason) == ("subinterpreter", UNUSABLE.reason)


def test_nothing_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=UNUSABLE, subprocess=UNUSABLE)
    with pytest.raises(BackendUnavailableError, match="subprocess: not today"):
        registry.choose("auto", None)
    with pytest.raises(BackendUnavailableError, match="subinterpreter backend cannot be used"):
        registry.choose("subinterpreter", "subprocess")


@pytest.mark.parametrize("version", [(3, 10), (3, 12), (3, 13), (3, 14), (3, 15)])
def test_auto(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]) -> None:
    _set(monkeypatch, subinterpreter=USABLE, subprocess=USABLE)
    monkeypatch.setattr(sys, "version_info", version)
    name, reason, _ = registry.choose("auto", "subprocess")
    assert name == ("subinterpreter" if version >= (3, 14) else "subprocess")
    assert ("from Python 3.14 on" in reason) is (version < (3, 14))


def test_auto_where_there_are_no_subinterpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=UNUSABLE, subprocess=USABLE)
    assert registry.choose("auto", None)[:2] == ("subprocess", f"subinterpreter: {UNUSABLE.reason}")


@pytest.fixture
def _pytorch_is_looked_for_anew() -> Iterator[None]:
    interpreters._finds_pytorch.cache_clear()
    yield
    interpreters._finds_pytorch.cache_clear()


@pytest.mark.usefixtures("_pytorch_is_looked_for_anew")
@pytest.mark.parametrize("file", ["torch/__init__.py", "torch/notes.txt"])
def test_auto_spares_pytorch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).touch()
    _set(monkeypatch, subinterpreter=USABLE, subprocess=USABLE)
    monkeypatch.setattr(sys, "version_info", (3, 14))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    name, reason, _ = registry.choose("auto", None)
    installed = file.endswith(".py")  # a folder alone is not PyTorch
    assert name == ("subprocess" if installed else "subinterpreter")
    assert ("PyTorch is installed" in reason) is installed


def test_what_breaks_pytorch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=USABLE, subprocess=USABLE)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert registry.choose("auto", None).warning == ""
    assert "PyTorch cannot train" in registry.choose("subinterpreter", None).warning


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="there are none")
def test_the_warning_names_the_users_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    with pytest.warns(FarsideWarning, match="pass backend='subprocess'") as caught:
        iterate_in_subinterpreter(partial(range, 3), fallback="subprocess").close()
    assert caught[0].filename == __file__


def test_auto_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=UNUSABLE, subprocess=UNUSABLE)
    with pytest.raises(BackendUnavailableError, match="no backend can be used here: ") as caught:
        registry.choose("auto", None)
    assert caught.value.reason == (
        f"subinterpreter: {UNUSABLE.reason}; subprocess: {UNUSABLE.reason}"
    )


class _Implementation:
    name = "pypy"


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("implementation", _Implementation, "pypy has no PEP 734 subinterpreters"),
        ("version_info", (3, 12, 1), "Python 3.12 has no PEP 734 subinterpreters; 3.14 has"),
    ],
)
def test_where_there_are_no_subinterpreters(
    monkeypatch: pytest.MonkeyPatch, attribute: str, value: Any, reason: str
) -> None:
    monkeypatch.setattr(sys, attribute, value)
    state = interpreters.availability()
    monkeypatch.undo()
    assert state == (False, reason)


def test_the_backport_is_needed_on_3_13(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(interpreters, "inside", lambda: False)
    monkeypatch.setattr(interpreters, "find_spec", lambda _: None)
    assert not interpreters.availability().usable
    assert "pip install interpreters-pep-734" in interpreters.availability().reason
    monkeypatch.setattr(interpreters, "find_spec", lambda _: "found")
    assert interpreters.availability().usable


@pytest.mark.parametrize("name", ["subinterpreter", "subprocess", "ray", "auto"])
def test_no_workers_on_windows(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where = dict.fromkeys(registry.names(), "farside.nothing:Lacks")  # as modules of POSIX do
    monkeypatch.setattr(registry, "_BACKENDS", where)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(
        BackendUnavailableError, match="used: Windows is not supported yet"
    ) as caught:
        registry.choose(name, None)
    states = available_backends()
    monkeypatch.undo()
    assert caught.value.reason == "Windows is not supported yet"
    assert states.get(name, (False, caught.value.reason)) == (False, caught.value.reason)


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BACKENDS", {**registry._BACKENDS})


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("by_name", [True, False])
def test_a_backend_of_ones_own(*, by_name: bool) -> None:
    where = "farside._backends.inline:InlineBackend"
    register_backend("mine", where if by_name else registry.load("inline"))
    assert registry.load("mine") is registry.load("inline")
    assert available_backends()["mine"].usable
    with iterate_in_worker(partial(range, 3), backend="mine") as numbers:
        assert numbers.backend == "mine"
        assert list(numbers) == [0, 1, 2]
    assert registry.choose("auto", None).name != "mine"


class _Unusable(InlineBackend):
    @staticmethod
    def availability() -> Availability:
        return UNUSABLE


class _UnusableElsewhere(_Unusable):
    capabilities = Capabilities(remote=True)


@pytest.mark.usefixtures("own_registry")
def test_the_fallback_takes_over_from_a_backend_of_ones_own_on_this_machine() -> None:
    register_backend("mine", _Unusable)
    assert registry.choose("mine", "subprocess").name == "subprocess"
    register_backend("elsewhere", _UnusableElsewhere)
    register_backend("nowhere", "no_such_module:Mine")
    for name in ("elsewhere", "nowhere"):
        with pytest.raises(BackendUnavailableError, match=f"the {name} backend cannot be"):
            iterate_in_worker(list, backend=name, fallback="subprocess")


@pytest.mark.usefixtures("own_registry")
def test_a_backend_that_cannot_be_imported_hides_no_other() -> None:
    register_backend("mine", "no_such_module:Mine")
    found = available_backends()
    assert found["mine"].reason.startswith("cannot be imported: ModuleNotFoundError: ")
    with pytest.raises(BackendUnavailableError, match="the mine backend cannot be imported: Mod"):
        iterate_in_worker(partial(range, 3), backend="mine")
    assert (found["mine"].usable, found["subprocess"].usable) == (False, True)


@pytest.mark.usefixtures("own_registry")
def test_a_backend_that_pyinstaller_has_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    register_backend("mine", "no_such_package.module:Mine")
    cure = "; PyInstaller takes it along with --collect-submodules no_such_package"
    assert available_backends()["mine"].reason.endswith(cure)
    register_backend("broken", "json:no_such_name")
    assert "PyInstaller" not in available_backends()["broken"].reason


@pytest.mark.usefixtures("own_registry")
def test_what_is_no_backend_hides_no_other() -> None:
    register_backend("mine", "json:dumps")
    found = available_backends()
    message = "cannot be imported: TypeError: <function dumps .*> does not derive from farside"
    assert re.match(message, found["mine"].reason)
    with pytest.raises(BackendUnavailableError, match=f"the mine backend {message}"):
        iterate_in_worker(partial(range, 3), backend="mine")
    assert found["subprocess"].usable


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("name", "backend", "kind", "message"),
    [
        (3, "a:b", TypeError, "name=3 is not a str"),
        ("auto", "a:b", ValueError, "name='auto' is taken"),
        ("inline", "a:b", ValueError, "name='inline' is taken"),
        ("mine", "a.b", ValueError, "backend='a.b' names no class; pass 'module:Class'"),
        ("mine", 3, TypeError, "backend=3 is not a class; pass a class or 'module:Class'"),
        ("mine", int, TypeError, "<class 'int'> does not derive from farside.backends.Backend"),
    ],
)
def test_what_cannot_be_registered(
    name: Any, backend: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        register_backend(name, backend)
    assert set(registry.names()) == {"subinterpreter", "subprocess", "inline", "ray"}


def test_the_inline_backend_is_never_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, subinterpreter=UNUSABLE, subprocess=UNUSABLE)
    with pytest.raises(BackendUnavailableError) as caught:
        registry.choose("auto", None)
    assert "inline" not in str(caught.value)
