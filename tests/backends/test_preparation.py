"""What the parent packs for a worker."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import NotPicklableError
from farside._backends import callables, preparation, registry
from farside._parent.options import check
from tests import jobs
from tests.backends.main_modules import MainModule

if TYPE_CHECKING:
    from pathlib import Path


def in_main() -> list[int]:
    return [1]


def _pretend_main(monkeypatch: pytest.MonkeyPatch, *, file: str | None) -> None:
    """Let `in_main` be a function of the main module."""
    main: Any = MainModule(file)
    main.in_main = in_main
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(in_main, "__module__", "__main__")


def test_main_is_loaded_only_where_the_job_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_main(monkeypatch, file=__file__)
    options = check(in_main, backend="auto")
    job = preparation.pack(options, in_process=True)
    assert job.preparation is not None
    assert job.preparation.main_path == __file__
    for other in (
        preparation.pack(options),
        preparation.pack(check(list, backend="auto"), in_process=True),
    ):
        assert other.preparation is not None
        assert other.preparation.main_path is None


def test_main_that_cannot_be_imported_goes_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_main(monkeypatch, file=None)
    job = preparation.pack(check(in_main, backend="auto"))
    assert isinstance(job.call, bytes)
    monkeypatch.delattr(sys.modules["__main__"], "in_main")
    fn, initializers, finalizers = pickle.loads(job.call)
    assert (fn(), initializers, finalizers) == ([1], (), ())


def test_main_that_cannot_be_imported_without_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_main(monkeypatch, file=None)
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(NotPicklableError, match=r"fn=<function in_main.* refers to __main__"):
        preparation.pack(check(in_main, backend="auto"))
    with pytest.raises(NotPicklableError, match=r"initializer\[1\]=<function in_main"):
        preparation.pack(check(list, backend="auto", initializer=[jobs.note_one, in_main]))


def test_a_text_that_mentions_main_is_no_reference() -> None:
    assert not callables.refers_to_main(pickle.dumps("see if __name__ == '__main__' below"))


@pytest.mark.parametrize("hidden", [[], ["cloudpickle"]])
def test_what_never_pickles_is_to_be_made_in_the_worker(
    monkeypatch: pytest.MonkeyPatch, hidden: list[str]
) -> None:
    for module in hidden:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotPicklableError, match=r"fn=.* does not pickle") as caught:
        preparation.pack(check(partial(list, threading.Lock()), backend="auto"))
    assert "; make in the worker what does not, in an initializer" in str(caught.value)


class Locked:
    def __init__(self) -> None:
        self.parts = [1, {"lock": threading.Lock()}]

    def read(self) -> list[int]:
        return [1]


@pytest.mark.parametrize(
    ("fn", "part"),
    [(partial(iter, Locked()), r"fn.args\[0\]"), (Locked().read, "fn.__self__")],
    ids=["partial", "method"],
)
@pytest.mark.parametrize("hidden", [[], ["cloudpickle"]])
def test_the_part_that_does_not_pickle_is_named(
    monkeypatch: pytest.MonkeyPatch, hidden: list[str], fn: Any, part: str
) -> None:
    for module in hidden:
        monkeypatch.setitem(sys.modules, module, None)
    named = rf"to a worker: {part}\.parts\[1\]\['lock'\]: _thread\.lock does not pickle \("
    with pytest.raises(NotPicklableError, match=named):
        preparation.pack(check(fn, backend="auto"))


def test_an_argument_that_does_not_pickle_as_a_whole_is_named_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(NotPicklableError, match="to a worker: it does not pickle"):
        preparation.pack(check(lambda: [1], backend="auto"))


class Wordy(Locked):
    def __repr__(self) -> str:
        return "x" * 10_000


class Mute(Locked):
    def __repr__(self) -> str:
        raise ValueError("no text")


def test_an_argument_that_cannot_be_sent_is_shown_in_short() -> None:
    with pytest.raises(
        NotPicklableError, match=r"^fn=.*x… \(\d+ characters\) cannot be sent"
    ) as caught:
        preparation.pack(check(partial(iter, Wordy()), backend="auto"))
    assert len(str(caught.value)) < 1000
    with pytest.raises(NotPicklableError, match=r"^fn=.*failed.* cannot be sent"):
        preparation.pack(check(partial(iter, Mute()), backend="auto"))


def test_what_fails_in_cloudpickle_too() -> None:
    unpicklable = jobs.RefusesToPickle()
    with pytest.raises(NotPicklableError, match="refuses to pickle") as caught:
        preparation.pack(check(lambda: [unpicklable], backend="auto"))
    assert isinstance(caught.value.__cause__, TypeError)


def test_an_inherited_job_is_not_pickled() -> None:
    made = lambda: [1]  # noqa: E731  it must not pickle
    options = check(made, backend="auto", buffer_size=3)
    job = preparation.job_of(options, options.call, backend="subprocess", name="me")
    assert job.call == (made, (), ())
    assert (job.preparation, job.buffer_size) == (None, 3)


@pytest.mark.parametrize("spec", ["pkg.mod", "mod"])
def test_main_by_name(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setitem(sys.modules, "__main__", MainModule("/some/where.py", spec))
    assert preparation.main_module() == (spec, None)


def test_main_by_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", MainModule("script"))
    assert preparation.main_module() == (None, str(script))


@pytest.mark.parametrize(
    "main", [MainModule(), MainModule("<stdin>"), MainModule("/a/pkg/__main__.py", "pkg.__main__")]
)
def test_main_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, main: Any) -> None:
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert preparation.main_module() == (None, None)


def test_the_main_module_goes_by_value_where_workers_cannot_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fork = multiprocessing.get_context("fork")
    for file in (None, __file__):
        _pretend_main(monkeypatch, file=file)
        for backend in ("auto", "subprocess"):
            options = check(list, backend=backend)
            assert preparation.main_goes_by_value(options) is (file is None)
        for context in ("fork", fork):
            options = check(list, backend="subprocess", mp_context=context)
            assert not preparation.main_goes_by_value(options)
        assert not preparation.main_goes_by_value(check(list, backend="inline"))
        assert preparation.main_goes_by_value(check(list, backend="ray"))
        assert preparation.main_goes_by_value(check(list, backend="ray", mp_context="fork"))


@pytest.mark.parametrize("backend", ["auto", "subinterpreter"])
@pytest.mark.parametrize("chosen", ["subinterpreter", "subprocess"])
def test_a_start_method_tells_nothing_of_a_worker_that_is_no_process(
    backend: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend_main(monkeypatch, file=None)
    monkeypatch.setattr(registry, "choose", lambda *_, **__: registry.Choice(chosen, ""))
    options = check(list, backend=backend, fallback="subprocess", mp_context="fork")
    assert preparation.main_goes_by_value(options) is (chosen == "subinterpreter")
