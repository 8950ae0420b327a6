"""What doctor finds."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from farside._cli import measure, surroundings
from farside._cli.advice import recommend
from farside._cli.doctor import examine
from farside._cli.factory import load, why_unpicklable
from farside._cli.main import FINDING, FINE, main
from farside._cli.probe import ask
from tests.cli import factories
from tests.kinds import HAS_SUBINTERPRETERS

SECONDS = 5.0
"""More than they take: they end by themselves, after one pass."""


def examined(name: str, *, subinterpreter: bool = HAS_SUBINTERPRETERS) -> dict[str, Any]:
    backends = {"subprocess": {"usable": True}, "subinterpreter": {"usable": subinterpreter}}
    full = f"tests.cli.factories:{name}"
    return examine(full, load(full), SECONDS, backends)


def test_a_factory_that_works() -> None:
    found = examined("numbers")
    assert found["pickles"]
    assert found["pickle_problem"] is None
    assert set(found["runs"]) >= {"none", "subprocess"}
    for told in found["runs"].values():
        assert told["items"] == 100
        assert told["startup"] >= 0
    assert found["runs"]["subprocess"]["nbytes"] > 100
    assert found["recommendation"].startswith("Use backend='sub")
    if HAS_SUBINTERPRETERS:
        assert found["imports"]["tests.cli.factories"]["result"] == "loads"


def test_an_iterable_has_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()  # each look at the clock is a second
    monkeypatch.setattr(measure, "perf_counter", lambda: float(next(ticks)))
    told = measure.plainly(factories.Samples, 120)
    assert (told["items"], told["passes"]) == (120, 3)
    assert measure.plainly(list[int], 120)["passes"] == 0


def test_an_fn_that_does_not_pickle() -> None:
    found = examined("locked", subinterpreter=False)
    assert not found["pickles"]
    assert "fn.args[1]['key'][0] does not pickle (TypeError: " in found["pickle_problem"]
    assert found["recommendation"].startswith("No worker can run it: fn.args[1]['key'][0] does")


def test_an_item_that_does_not_pickle() -> None:
    found = examined("yields_lock", subinterpreter=False)
    error = found["runs"]["subprocess"]["error"]
    assert error.startswith("the item of index 1['lock'] does not pickle (TypeError")


def test_a_factory_that_fails() -> None:
    found = examined("fails", subinterpreter=False)
    expected = "No worker can run it, nor can this process: ValueError: no data."
    assert found["recommendation"] == expected


@pytest.mark.parametrize("name", ["refuses"] if HAS_SUBINTERPRETERS else [])
def test_a_factory_that_a_subinterpreter_refuses(name: str) -> None:
    found = examined(name)
    reason = "the extension module readline does not support loading in subinterpreters"
    assert found["runs"]["subinterpreter"]["reason"] == reason
    assert found["recommendation"] == f"Use backend='subprocess': {reason}."


def test_crashes_are_results() -> None:
    request = {"kind": "run", "backend": None, "seconds": SECONDS}
    told = ask({**request, "factory": "tests.cli.factories:dies"})
    assert told == {"error": "it crashes: the process was killed by SIGKILL"}
    told = ask({**request, "factory": "tests.cli.factories:exits"})
    assert told == {"error": "it ends the process with exit code 3"}


def test_recommendations() -> None:
    fast = {"items": 1000, "seconds": 1.0, "startup": 0.02}
    slow = {"items": 100, "seconds": 1.0, "startup": 0.1}
    refused = {"error": "x", "reason": "the extension module numpy._core does not load"}

    def told(process: Any, interpreter: Any, **missing: list[str]) -> str:
        imports = {name: {"missing": each} for name, each in missing.items()}
        runs = {"none": fast, "subprocess": process, "subinterpreter": interpreter}
        return recommend({"runs": runs, "imports": imports})

    assert "it is faster and starts in 20 ms, 5.0 times" in told(slow, fast)
    assert "it is as fast and" in told(fast, fast)
    assert told(fast, slow).startswith("Use backend='subprocess': it is 10.0 times as fast")
    assert "it imports NumPy, and the extension module numpy" in told(fast, refused)
    assert "does without yaml._yaml" in told(fast, fast, yaml=["yaml._yaml"])
    assert "No worker can run it: x." in told({"error": "x"}, fast)


@pytest.mark.parametrize(("name", "code"), [("numbers", FINE), ("locked", FINDING)])
def test_json_and_exit_codes(name: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["doctor", f"tests.cli.factories:{name}", "--json", "--seconds", str(SECONDS)]
    assert main(arguments) == code
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= {"farside", "python", "platform", "backends", "limits", "factory"}
    assert main([each for each in arguments if each != "--json"]) == code
    assert "How fast it is" in capsys.readouterr().out


def test_what_is_told_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = surroundings.limits()
    assert limits["arena"] == "memfd"
    assert limits["pipe_bytes"] >= 4096
    assert surroundings.installed("no-such-package") is None
    monkeypatch.setattr(surroundings, "_cgroup_memory", lambda: 1 << 30)
    assert surroundings.limits()["memory_limit"] == 1 << 30


def test_paths_to_what_does_not_pickle() -> None:
    holder = factories.Samples()
    holder.inner = {"list": [1, (lambda: None)]}  # type: ignore[attr-defined]
    told = why_unpicklable(holder.__iter__, "fn")
    assert told is not None
    assert told.startswith("fn.__self__.inner['list'][1] does not pickle (")
    assert why_unpicklable(factories.numbers, "fn") is None
