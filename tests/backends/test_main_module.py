"""The parent's main module: how a worker can import it, and how to keep it from doing so."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any

import pytest

from farside._backends.main_module import main_module, with_main_hidden
from tests.backends.main_modules import MainModule

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


@pytest.mark.parametrize("spec", ["pkg.mod", "mod"])
def test_main_by_name(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setitem(sys.modules, "__main__", MainModule("/some/where.py", spec))
    assert main_module() == (spec, None)


def test_main_by_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", MainModule("script"))
    assert main_module() == (None, str(script))


@pytest.mark.parametrize(
    "main", [MainModule(), MainModule("<stdin>"), MainModule("/a/pkg/__main__.py", "pkg.__main__")]
)
def test_main_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, main: Any) -> None:
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert main_module() == (None, None)


def test_it_is_hidden_and_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    main: Any = MainModule(__file__, "some.name")
    monkeypatch.setitem(sys.modules, "__main__", main)

    def look() -> tuple[bool, object]:
        return hasattr(main, "__file__"), main.__spec__

    assert with_main_hidden(look, always=True) == (False, None)
    assert main.__file__ == __file__
    assert main_module() == ("some.name", None)


class Hiding:
    """Another thread hides the main module, until `end`; more threads may be set to work."""

    def __init__(self, *, always: bool) -> None:
        self._is_in, self._may_go_on = threading.Event(), threading.Event()
        self.threads = ThreadPoolExecutor()
        self.threads.submit(with_main_hidden, self._wait, always=always)
        self._is_in.wait()

    def _wait(self) -> None:
        self._is_in.set()
        self._may_go_on.wait()

    def __enter__(self) -> Self:
        return self

    def end(self) -> None:
        """Let the thread go on."""
        self._may_go_on.set()

    def __exit__(self, *_: object) -> None:
        self.end()
        self.threads.shutdown()


@pytest.mark.parametrize("always", [True, False])
def test_two_threads_hide_what_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, *, always: bool
) -> None:
    main: Any = MainModule("<stdin>")
    monkeypatch.setitem(sys.modules, "__main__", main)
    with Hiding(always=always) as other:
        # It finds nothing to hide now, and would find the file there again when it goes on.
        shown = other.threads.submit(
            with_main_hidden, lambda: hasattr(main, "__file__"), always=False
        )
        found = other.threads.submit(main_module)
        with pytest.raises(FutureTimeout):
            shown.result(0.05)
        other.end()
        assert shown.result() is False
        assert found.result() == (None, None)


def test_what_one_thread_hides_another_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", MainModule(__file__))
    with Hiding(always=True) as other:
        found = other.threads.submit(main_module)
        with pytest.raises(FutureTimeout):
            found.result(0.05)
        other.end()
        assert found.result() == (None, __file__)
