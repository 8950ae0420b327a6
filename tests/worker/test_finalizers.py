"""Finalizers run in order, each once, whatever they raise."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from farside import FinalizerFailedWarning
from farside._worker.finalizers import Finalizers


def fails() -> None:
    raise OSError("failed")


def interrupts() -> None:
    raise KeyboardInterrupt


def test_each_is_named_by_its_number_also_after_ctrl_c() -> None:
    done: list[str] = []
    finalizers = Finalizers(interruptible=True)
    finalizers.load((interrupts, lambda: done.append("second"), fails), 1)
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(FinalizerFailedWarning, match=r"finalizer\[2\] failed \(OSError: failed\)"),
    ):
        finalizers.run()
    finalizers.run()
    assert done == ["second"]


@pytest.mark.filterwarnings("error")
def test_a_failure_is_printed_where_warnings_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    finalizers = Finalizers()
    finalizers.load((fails,), 1)
    finalizers.run()
    printed = capsys.readouterr().err
    assert printed.startswith("finalizer[0] failed:\nTraceback (most recent call last):\n")
    assert printed.endswith("OSError: failed\n")
    assert 'finalizers.py", line' not in printed.replace(__file__, "")


@pytest.mark.filterwarnings("error")
def test_the_others_run_where_a_failure_cannot_even_be_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    done: list[str] = []
    finalizers = Finalizers()
    finalizers.load((fails, lambda: done.append("second")), 1)
    finalizers.run()
    assert done == ["second"]


class Mute(Exception):
    """Whoever asks it for anything is told that there is nothing."""

    def __getattribute__(self, name: str) -> Any:
        raise AttributeError(name)


@pytest.mark.parametrize("interruptible", [False, True])
def test_whatever_a_failure_does_when_it_is_looked_at(*, interruptible: bool) -> None:
    def fails_mutely() -> None:
        raise Mute("failed")

    finalizers = Finalizers(interruptible=interruptible)
    finalizers.load((fails_mutely,), 1)
    with pytest.warns(FinalizerFailedWarning, match=r"finalizer\[0\] failed \(Mute: failed\)"):
        finalizers.run()


def test_elsewhere_ctrl_c_is_a_failure_as_any_other() -> None:
    finalizers = Finalizers()
    finalizers.load((interrupts,), 1)
    with pytest.warns(FinalizerFailedWarning, match="KeyboardInterrupt"):
        finalizers.run()


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (1, r"finalizer\[1\] was not run, since the time was over; pass a longer shut"),
        (2, r"finalizer\[1\] and those after it were not run, since the time was over"),
    ],
)
def test_those_after_one_that_has_ended_too_late_are_told_of_once(after: int, told: str) -> None:
    """It may have caught SystemExit, or was not interrupted any more."""
    done: list[str] = []
    finalizers = Finalizers()
    finalizers.load(
        (lambda: setattr(finalizers, "expired", True), *[lambda: done.append("")] * after), 1
    )
    with pytest.warns(FinalizerFailedWarning, match=told) as caught:
        finalizers.run()
    assert len(caught) == 1
    assert not finalizers._waiting  # it is called once more, and tells nothing then
    assert done == []


def test_those_after_one_that_was_cut_off_are_told_of_with_it() -> None:
    finalizers = Finalizers()

    def is_cut_off() -> None:
        finalizers.expired = True
        raise SystemExit

    finalizers.load((is_cut_off, is_cut_off), 1)
    told = r"finalizer\[0\] was cut off, and those after it were not run; pass"
    with pytest.warns(FinalizerFailedWarning, match=told) as caught:
        finalizers.run()
    assert len(caught) == 1
    assert not finalizers._waiting  # it is called once more, and tells nothing then
