"""What is run, in which order, and what becomes of a process that misbehaves."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING

import pytest

from benchmarks import job, runner
from benchmarks.results import Results
from benchmarks.runner import Measurement, Options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUICK = Options(cases=("ints",), peers=("none",), seconds=0.01, rounds=3)


def test_farside_and_the_ceilings_run_whatever_peers_are_asked_for() -> None:
    cases, contestants = runner.selected(Options(cases=("ints", "arrays-1?B"), peers=("spdl*",)))
    assert cases == ["ints", "arrays-1MB"]
    assert {"farside-subprocess", "one-memcpy", "in-process", "spdl-pool-3"} <= set(contestants)
    assert "pool-imap-1" not in contestants


def test_a_contestant_may_have_a_python_of_its_own() -> None:
    options = Options(pythons={"*torch*": "/opt/python"})
    assert options.python("torch-dataloader") == "/opt/python"
    assert options.python("in-process") == sys.executable


def test_the_plan_says_who_can_do_what() -> None:
    options = Options(cases=("ints", "arrays-1MB"), peers=("pool-imap-1",))
    results, todo = runner.plan(options)
    assert results.cases["arrays-1MB"]["nbytes"] == 1_000_000
    assert results.contestants["pool-imap-1"]["python"].startswith("3.")
    assert results.contestants["farside-subprocess"]["version"]
    names = {(each.case, each.contestant) for each in todo}
    assert {("ints", "pool-imap-1"), ("arrays-1MB", "one-memcpy")} <= names
    assert ("ints", "one-memcpy") not in names


def test_a_python_that_is_not_there_is_told() -> None:
    options = Options(cases=("ints",), peers=("pool*",), pythons={"pool*": "/no/python"})
    results, todo = runner.plan(options)
    assert results.contestants["pool-imap-1"]["missing"].startswith("/no/python: No such file")
    assert not [each for each in todo if each.contestant.startswith("pool")]


# Rounds -------------------------------------------------------------------------------------------


def run_faked(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, dict[str, object]], rounds: int = 3
) -> tuple[Results, list[str]]:
    """Run some rounds of one case with contestants a, b and c that answer so."""
    asked: list[str] = []

    def ask(_: str, what: Sequence[str], *__: object) -> dict[str, object]:
        asked.append(what[1])
        return answers[what[1]]

    monkeypatch.setattr(runner, "_ask", ask)
    results = Results({}, {}, {})
    todo = [Measurement("ints", name, sys.executable) for name in answers]
    runner.run(replace(QUICK, rounds=rounds), results, todo, lambda _: None)
    return results, asked


def test_everyone_has_a_turn_in_each_round_and_begins_one(monkeypatch: pytest.MonkeyPatch) -> None:
    results, asked = run_faked(monkeypatch, {name: {"value": 1.0} for name in "abc"})
    assert "".join(asked) == "abcbcacab"
    assert [each.values for each in results.outcomes] == [[1.0] * 3] * 3


def test_the_order_turns_around_when_all_have_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, dict[str, object]] = {name: {"value": 1.0} for name in "abc"}
    _, asked = run_faked(monkeypatch, answers, rounds=6)
    assert "".join(asked) == "abcbcacab" + "cbaacbbac"


def test_failures_are_kept_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    results, asked = run_faked(monkeypatch, {"a": {"error": "no"}, "b": {"value": 2.0}})
    assert Counter(asked)["a"] == 3
    assert results.outcomes[0].values == [None] * 3
    assert results.outcomes[0].error == "no"


def test_who_ran_into_the_limit_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    results, asked = run_faked(monkeypatch, {"a": {"error": "late", "stuck": True}})
    assert asked == ["a"]
    assert results.outcomes[0].values == [None] * 3


# Processes ----------------------------------------------------------------------------------------


def ask(monkeypatch: pytest.MonkeyPatch, code: str, limit: float = 30) -> dict[str, object]:
    monkeypatch.setattr(job, "ENTRY", code)
    return runner._ask(sys.executable, (), limit)


def test_an_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; print('noise'); open(sys.argv[-1], 'w').write('{\"value\": 3}')"
    assert ask(monkeypatch, code) == {"value": 3}


def test_a_crash_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, "raise SystemExit('the end')")
    assert answer == {"error": "ended with status 1: the end"}


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ask(monkeypatch, "import time; time.sleep(60)", limit=0.5)
    assert answer == {"error": "not done after 0 s", "stuck": True}


def test_what_a_process_leaves_behind_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    code = (
        "import os, subprocess, sys\n"
        f"writer = os.open({str(fifo)!r}, os.O_WRONLY)\n"
        "subprocess.Popen(['sleep', '60'], pass_fds=[writer])\n"
        "open(sys.argv[-1], 'w').write('{}')\n"
    )
    try:
        assert ask(monkeypatch, code) == {}
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b""  # nobody holds the other end
    finally:
        os.close(reader)


def test_shared_memory_that_a_process_leaves_behind_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import json, os, sys\n"
        "from multiprocessing.shared_memory import SharedMemory\n"
        "memory = SharedMemory(create=True, size=8)\n"
        "with open(sys.argv[-1], 'w') as file:\n"
        "    json.dump({'name': memory.name}, file)\n"
        "os._exit(0)\n"
    )
    name = ask(monkeypatch, code)["name"]
    assert isinstance(name, str)
    with pytest.raises(FileNotFoundError):
        SharedMemory(name)
