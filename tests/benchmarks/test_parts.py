"""What an item costs each side: every source is measured, and a line is printed for each."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from benchmarks import floor, parts, threads


@pytest.mark.parametrize("name", ["ints", "dicts"])
def test_each_side_is_measured(name: str) -> None:
    found = parts.measure(parts.SOURCES[name], "subprocess", 0.01, 3)
    assert min(found) > 0
    assert found.alone < found.wall


def test_the_worker_is_this_thread_inline() -> None:
    # Long enough: the beginning and the end of a pass are not the worker's.
    found = parts.measure(parts.SOURCES["ints"], "inline", 0.1, 3)
    assert found.loop == pytest.approx(found.worker, rel=0.5)


def test_the_command_prints_a_line_for_each_source(capsys: pytest.CaptureFixture[str]) -> None:
    parts.main(["--only", "ints,arrays-10kB", "--backend", "subinterpreter", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["µs", "ints"]  # no NumPy there


def test_the_machine_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    floor.main(["--number", "20", "--megabytes", "2"])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert {line.split()[-1] for line in lines} >= {"process", "GB/s"}
    assert len(lines) >= len(floor.WAYS) + 3


def test_threads_are_compared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_WARM_UP", 0.01)
    if find_spec("cv2") is None:
        threads.main(["--only", "cv2"])
        assert len(capsys.readouterr().out.splitlines()) == 4  # what is not there is left out
        return
    threads.main(["--only", "cv2", "--workers", "1", "--seconds", "0.1", "--rounds", "1"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("cv2 ")
