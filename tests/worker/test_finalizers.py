"""Finalizers run in order, each once, whatever they raise."""

from __future__ import annotations

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


def test_elsewhere_ctrl_c_is_a_failure_as_any_other() -> None:
    finalizers = Finalizers()
    finalizers.load((interrupts,), 1)
    with pytest.warns(FinalizerFailedWarning, match="KeyboardInterrupt"):
        finalizers.run()
