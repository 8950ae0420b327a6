"""What doctor finds."""

from __future__ import annotations

import argparse
import io
import json
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from farside._backends import registry
from farside._cli import probe, surroundings
from farside._cli.advice import recommend
from farside._cli.doctor import examine
from farside._cli.factory import Passes, load, why_unpicklable
from farside._cli.main import FINDING, FINE, main
from farside._cli.probe import ask, loop
from farside._in_c import FREE_THREADED
from farside.testing.checks import until
from tests.cli import factories
from tests.kinds import HAS_SUBINTERPRETERS
from tests.scripts.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 0.2
"""How long each is measured."""


def told_of(found: dict[str, Any]) -> str:
    return " ".join(recommend(found))


def examined(
    name: str, *, subinterpreter: bool = HAS_SUBINTERPRETERS, seconds: float = SECONDS
) -> dict[str, Any]:
    usable = ["subprocess", *(["subinterpreter"] if subinterpreter else [])]
    given = argparse.Namespace(factory=f"tests.cli.factories:{name}", seconds=seconds, limit=20.0)
    with redirect_stdout(io.StringIO()):
        return examine(given, usable)


def test_a_factory_that_works() -> None:
    found = examined("numbers")
    assert found["pickles"]
    assert found["pickle_problem"] is None
    assert set(found["runs"]) >= {"none", "subprocess"}
    for told in found["runs"].values():
        assert told["items"] >= 100
        assert told["startup"] >= 0
    assert found["runs"]["subprocess"]["nbytes"] > 100
    assert found["recommendation"].startswith("Use backend='sub")
    if HAS_SUBINTERPRETERS:
        assert found["imports"]["tests.cli.factories"]["result"] == "loads"


def test_an_iterable_has_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()  # each look at the clock is a second
    monkeypatch.setattr(probe, "perf_counter", lambda: float(next(ticks)))
    told = probe.loop(factories.Samples(), 120)
    assert (told["items"], told["passes"]) == (120, 3)
    assert probe.loop([], 120)["passes"] == 0


def test_a_factory_with_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    call = "repeats('x', times=int('7'))"
    found = examined(call, subinterpreter=False, seconds=0.01)
    assert all(each["items"] for each in found["runs"].values())
    fn: Any = load(f"tests.cli.factories:{call}")
    assert fn() == ["x"] * 7
    assert fn.func is factories.repeats  # a partial, as a user makes one
    fn = load("tests.cli.factories:partial(Samples)")
    assert fn.func is factories.Samples
    fn = load("tests.cli.factories:Samples().__iter__")
    assert list(fn()) == list(range(50))
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated at once")
def test_annotations_that_only_type_checkers_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "annotated.py").write_text("def train() -> Unknown:\n    yield 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert list(load("annotated:train")()) == [1]


@pytest.mark.skipif(not HAS_SUBINTERPRETERS, reason="no module is loaded in a subinterpreter")
def test_a_module_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script ``farside`` does not search that folder by itself."""
    (tmp_path / "beside.py").write_text("def train():\n    yield 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", ".")])
    given = argparse.Namespace(factory="beside:train", seconds=SECONDS, limit=20.0)
    with redirect_stdout(io.StringIO()):
        found = examine(given, ["subinterpreter"])
    assert found["imports"]["beside"]["result"] == "loads"


def test_a_name_of_the_module_is_what_an_argument_means() -> None:
    assert load("tests.cli.factories:repeats(take, times=2)")() == ["mine"] * 2


def test_an_fn_that_does_not_pickle() -> None:
    found = examined("locked", subinterpreter=False)
    assert not found["pickles"]
    problem = found["pickle_problem"]
    assert problem.startswith("fn.args[1]['key'][0]: _thread.lock does not pickle (TypeError: ")
    assert found["recommendation"].startswith("No worker has run it: fn.args[1]['key'][0]: ")


def test_an_fn_that_only_a_process_can_be_given() -> None:
    assert examined("shared", subinterpreter=False)["pickles"]


def test_an_item_that_does_not_pickle() -> None:
    found = examined("yields_lock", subinterpreter=False)
    error = found["runs"]["subprocess"]["error"]
    assert "item['lock']: _thread.lock does not pickle" in error


def test_a_factory_that_fails() -> None:
    found = examined("fails", subinterpreter=False)
    place = rf", in fails, {re.escape(str(Path(__file__).with_name('factories.py')))}:\d+"
    for run in found["runs"].values():
        assert re.fullmatch(f"ValueError: no data{place}", run["error"])
    expected = rf"No worker has run it, nor has this process: ValueError: no data{place}\."
    assert re.fullmatch(expected, found["recommendation"])


def test_a_factory_whose_exception_has_a_reason_of_its_own() -> None:
    runs = examined("fails_for_a_reason", subinterpreter=False)["runs"]
    assert runs["none"]["error"].startswith("_AsOfURLError: no data")
    assert runs["none"]["reason"] == ""
    assert runs["subprocess"]["reason"] == ""


@pytest.mark.parametrize("name", ["refuses"] if HAS_SUBINTERPRETERS else [])
def test_a_factory_that_a_subinterpreter_refuses(name: str) -> None:
    found = examined(name)
    reason = "the extension module readline does not support loading in subinterpreters"
    assert found["runs"]["subinterpreter"]["reason"] == reason
    assert found["recommendation"] == f"Use backend='subprocess': {reason}."


def test_crashes_are_results() -> None:
    request = {"kind": "run", "backend": None, "seconds": SECONDS}
    told = ask({**request, "factory": "tests.cli.factories:dies"}, 20)
    assert told == {"error": "it crashes: the process was killed by SIGKILL"}
    told = ask({**request, "factory": "tests.cli.factories:exits"}, 20)
    assert told == {"error": "it ends the process with exit code 3"}
    told = ask({**request, "factory": "tests.cli.factories:gives_up"}, 20)
    end = "it ends the process with exit code 1"
    assert told == {"error": f"{end}: Timeout (5 s): nobody answers"}
    told = ask({**request, "factory": "tests.cli.factories:dies_by_a_signal_without_a_name"}, 20)
    assert told == {"error": f"it crashes: the process was killed by signal {signal.SIGRTMIN + 2}"}


@pytest.mark.parametrize("ending", ["ValueError, 1", "SystemExit, 0"])
def test_a_forked_child_ends_and_has_no_result(ending: str) -> None:
    factory = f"tests.cli.factories:forks({ending})"
    told = ask({"kind": "run", "factory": factory, "backend": None, "seconds": 0.01}, 20)
    assert told["items"] == told["passes"] > 0


@pytest.mark.parametrize(("name", "place"), [("hangs", "in hangs, "), ("stops", "in stops, ")])
@pytest.mark.parametrize("backend", [None, "subprocess"])
def test_a_hang_is_a_result_that_says_where(name: str, place: str, backend: str | None) -> None:
    factory = f"tests.cli.factories:{name}"
    limit = 3 if backend is None else 24  # of which a worker has half, to start and for an item
    told = ask({"kind": "run", "factory": factory, "backend": backend, "seconds": 60}, limit)
    assert f"{place}{factories.__file__}:" in told["error"]
    assert ("it did not end within 3 s (see --limit)" in told["error"]) is (backend is None)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no lifeline")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_tried_ends_with_the_command(tmp_path: Path, how: signal.Signals) -> None:
    told = tmp_path / "pid"
    factory = f"tests.cli.factories:hangs_after_telling({str(told)!r})"
    command = [sys.executable, "-m", "farside", "doctor", factory, "--limit", "600"]
    quiet, root = subprocess.DEVNULL, Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=root) as doctor:
        until(lambda: told.exists() and told.read_text().endswith("\n"))
        tried = Watched(int(told.read_text()))
        doctor.send_signal(how)
    assert tried.ends_by(time.monotonic() + 5)


def test_recommendations() -> None:
    fast = {"items": 1000, "seconds": 1.0, "startup": 0.02, "nbytes": 4000, "passes": 1}
    slow = {"items": 100, "seconds": 1.0, "startup": 0.1, "nbytes": 400, "passes": 1}
    refused = {"error": "x", "reason": "the extension module numpy._core does not load"}

    def told(process: Any, interpreter: Any, **missing: list[str]) -> str:
        imports = {name: {"missing": each} for name, each in missing.items()}
        runs = {"none": fast, "subprocess": process, "subinterpreter": interpreter}
        return told_of({"runs": runs, "imports": imports})

    assert "it is faster than a subprocess, and starts 5.0 times as fast." in told(slow, fast)
    assert "it is as fast as a subprocess. A crash" in told(fast, fast)
    loses = FREE_THREADED or sys.version_info < (3, 14)
    assert ("loses memory for each one" in told(fast, fast)) is loses
    assert ("(or 'auto', on 3.14 and later)" in told(fast, fast)) is not FREE_THREADED
    assert "Use backend='subprocess': it is 10.0 times as fast" in told(fast, slow)
    assert "it imports NumPy, and the extension module numpy" in told(fast, refused)
    assert "does without yaml._yaml" in told(fast, fast, yaml=["yaml._yaml"])
    assert "No worker has run it: x." in told({"error": "x"}, refused)
    assert "Use backend='subinterpreter': in a subprocess it fails (x)." in told(
        {"error": "x"}, fast
    )
    empty = {**fast, "items": 0}
    assert told(empty, empty).startswith("It gives no items")


@pytest.mark.parametrize(
    ("plain", "worker", "imported", "told"),
    [
        ((1000, 1.0), (900, 1.0), 0.1, "An item takes 1 ms to make: if your loop waits"),
        ((100_000, 1.0), (90_000, 1.0), 0.1, ""),
        ((3_000_000, 1.0), (100_000, 1.0), 0.1, "(4 B) takes 333 ns"),
        ((3_000_000, 1.0), (100_000, 1.0), 0.1, "from one: yield lists of many items, or use no"),
        (
            (100_000, 1.0),
            (90_000, 1.0),
            4.5,
            "takes long to start (import: 4.5 s, arguments or setup: 0 ns, fn: 20 ms)",
        ),
    ],
)
def test_what_is_slow(
    plain: tuple[int, float], worker: tuple[int, float], imported: float, told: str
) -> None:
    def run(items: int, seconds: float) -> dict[str, Any]:
        return {
            "items": items,
            "seconds": seconds,
            "startup": 0.02,
            "nbytes": 4 * items,
            "passes": 1,
        }

    runs = {"none": run(*plain), "subprocess": run(*worker)}
    text = told_of({"runs": runs, "imports": {}, "import_seconds": imported})
    assert text.endswith("Use backend='subprocess': there are no subinterpreters in this Python.")
    assert told in text
    assert bool(told) is not text.startswith("Use backend=")


@pytest.mark.parametrize(
    ("items", "seconds", "first", "told", "own"),
    [
        (10, 3.5, 3.0, "The first item of a pass takes 3 s: move into __init__", "55.6 ms to make"),
        (100, 3.0, 0.5, "The first item of a pass takes 500 ms", "25.3 ms to make"),
        (2, 4.0, 2.1, "An item takes 1.9 s to make", "several workers"),
        (1, 3.0, 3.0, "Only one item came, after 3 s", "a larger --seconds"),
    ],
)
def test_a_slow_first_item_is_told(
    items: int, seconds: float, first: float, told: str, own: str
) -> None:
    run = {"items": items, "seconds": seconds, "first": first, "passes": 1}
    run = {**run, "startup": 0.02, "nbytes": 4 * items}
    text = told_of({"runs": {"none": run, "subprocess": run}, "imports": {}})
    assert told in text
    assert own in text


def test_pytorch_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    run = {"items": 10, "seconds": 1.0, "startup": 0.02, "nbytes": 4, "passes": 1}
    runs = {"none": run, "subprocess": run, "subinterpreter": run}
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    text = told_of({"runs": runs, "imports": {}})
    assert "Use backend='subprocess': PyTorch is installed, and cannot train in" in text


def test_what_auto_takes_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == FINE
    chosen = surroundings.describe()["automatic"]
    assert f"'auto'takes{chosen['backend']}:" in capsys.readouterr().out.replace(" ", "")
    monkeypatch.setattr(registry, "AUTOMATIC", ())
    assert surroundings.describe()["automatic"]["backend"] is None


def test_threads_that_compete_are_told() -> None:
    run = {"items": 10, "seconds": 1.0, "startup": 0.02, "nbytes": 4, "passes": 1, "cores": 1.0}
    one = told_of({"runs": {"none": run, "subprocess": run}, "imports": {}})
    two = told_of({"runs": {"none": {**run, "cores": 1.9}, "subprocess": run}, "imports": {}})
    assert "compute too (1.9 cores): give each worker one thread, with env=" in two
    assert "Threads" not in one


def test_a_loop_tells_how_many_threads_compute() -> None:
    data, pool = bytes(1 << 22), ThreadPoolExecutor(3)

    def digests() -> Iterator[int]:  # each lets other threads compute meanwhile, as NumPy does
        for _ in range(20):
            beside = [pool.submit(sha256, data) for _ in range(2)]
            sha256(data)
            yield len([each.result() for each in beside])

    with pool:
        # While the machine is busy, this thread may seem to wait; so it is measured several times.
        assert any(loop(digests(), 10.0)["cores"] > 2 for _ in range(10))
    assert loop(map(sha256, [data] * 20), 10.0)["cores"] == 1


def test_a_loop_that_waits_for_one_thread_of_its_own_uses_one_core() -> None:
    data = bytes(1 << 22)
    with ThreadPoolExecutor(1) as pool:
        results = (pool.submit(sha256, data).result() for _ in range(20))
        assert loop(results, 10.0)["cores"] < 1.3


def test_the_time_of_arguments_is_none_of_the_import() -> None:
    found = ask(
        {"kind": "factory", "factory": "tests.cli.factories:partial(len, time.sleep(0.5))"}, 20
    )
    assert found["arguments_seconds"] >= 0.5
    assert found["import_seconds"] < 20


def test_one_shot_iterators_are_made_anew() -> None:
    calls: list[int] = []

    def one_shot() -> Iterator[int]:
        calls.append(1)
        return iter([1, 2])

    made = Passes(one_shot)
    assert [list(made), list(made), len(calls)] == [[1, 2], [1, 2], 2]
    again = Passes(partial(range, 3))
    assert [list(again), list(again)] == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize(("name", "code"), [("numbers", FINE), ("locked", FINDING)])
def test_json_and_exit_codes(name: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["doctor", f"tests.cli.factories:{name}", "--json", "--seconds", str(SECONDS)]
    assert main(arguments) == code
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= {"farside", "python", "platform", "backends", "limits", "factory"}
    assert main([each for each in arguments if each != "--json"]) == code
    told = capsys.readouterr()
    assert "How fast it is" in told.out
    assert f"… import tests.cli.factories:{name}, 20 s at most" in told.err


def test_what_is_told_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = surroundings.limits()
    assert limits["arena"] == "memfd"
    assert limits["pipe_bytes"] >= 4096
    assert surroundings.installed("no-such-package") is None
    monkeypatch.setattr(surroundings, "memory_limit", lambda: 1 << 30)
    assert surroundings.limits()["memory_limit"] == 1 << 30


def test_what_does_not_pickle_is_named() -> None:
    holder = factories.Samples()
    holder.inner = {"list": [1, factories.locked]}  # type: ignore[attr-defined]
    told = why_unpicklable(holder.__iter__)
    assert told is not None
    place = "fn.__self__.inner['list'][1].args[1]['key'][0]: _thread.lock"
    assert told.startswith(f"{place} does not pickle (")
    assert why_unpicklable(factories.numbers) is None


def test_a_bug_report_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == FINE
    told = capsys.readouterr().out
    assert "This machine" in told
    assert "subprocess      yes: start methods" in told
