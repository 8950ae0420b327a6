"""The example that parses the standard library: the whole script, then its parts."""

import os
import pickle
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import farside
import heartbeat
import parse_stdlib
import stdlib_parser
from parse_stdlib import Outcome
from stdlib_parser import FileRecord


def run_example(examples_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would, unmeasured: coverage writes warnings to stderr."""
    command = [sys.executable, str(examples_dir / "parse_stdlib.py"), *options]
    env = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=50, env=env, check=False)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the script find one small file in place of the standard library."""
    (tmp_path / "one.py").write_text("x = 1\n")
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    return tmp_path


# The whole script.


def test_every_variant_runs_and_agrees(examples_dir: Path) -> None:
    done = run_example(examples_dir, "--limit", "60", "--no-progress")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    ran = []
    for variant in parse_stdlib.VARIANTS:
        (row,) = re.findall(rf"^{variant} +(.*)$", done.stdout, re.MULTILINE)
        reason = parse_stdlib.why_unavailable(variant)
        if reason:
            assert row == f"not available here: {reason}"
        else:
            ran.append(variant)
            assert re.fullmatch(r"([\d.]+ +){5}[\d.]+ %", row)
    assert {"main", "thread", "subprocess"} <= set(ran)
    *_, agreement, conclusion = done.stdout.splitlines()
    assert agreement == f"All agree to the item: {', '.join(ran)}."
    assert conclusion.startswith("The main thread was kept free")
    assert all(variant in conclusion for variant in ran)


def test_chosen_variants_only(examples_dir: Path) -> None:
    done = run_example(examples_dir, "--limit", "5", "--no-progress", "--variants", "thread")
    assert done.returncode == 0, done.stderr
    assert "All agree to the item: thread." in done.stdout
    assert "subprocess" not in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variants", "main,gpu"], r"unknown \['gpu'\]; choose from main,thread,"),
        (["--limit", "0"], "0 is not a positive number"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_stdlib.main(options)
    assert re.search(message, capsys.readouterr().err)


def test_disagreement_fails_the_run(
    no_work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = stdlib_parser.parse_file(str(no_work), "one.py")
    other = Outcome([record._replace(tokens=0)], 1.0, [0.0])
    monkeypatch.setattr(parse_stdlib, "run_beside_main_thread", lambda *_arguments: other)
    assert parse_stdlib.main(["--no-progress", "--variants", "main,thread"]) == 1
    assert f"DISAGREEMENT: main has {record}, thread has" in capsys.readouterr().out


@pytest.mark.usefixtures("no_work")
def test_nothing_available(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parse_stdlib, "why_unavailable", lambda _variant: "no luck")
    assert parse_stdlib.main(["--no-progress", "--variants", "subinterpreter"]) == 1
    printed = capsys.readouterr().out
    assert "subinterpreter  not available here: no luck" in printed
    assert "None of these variants can run here." in printed


@pytest.mark.usefixtures("no_work")
def test_missing_tqdm_is_named_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert parse_stdlib.main(["--variants", "main,thread"]) == 0
    assert capsys.readouterr().out.count("pip install tqdm") == 1


def test_progress_bar_passes_every_record(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    records = [FileRecord(f"{index}.py", index) for index in range(3)]
    progress = parse_stdlib.make_progress(3, wanted=True)
    assert list(progress(records, "main")) == records
    assert "3/3" in capsys.readouterr().err


def test_a_failing_source_reaches_the_main_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_variant: str, _job: parse_stdlib.Job) -> None:
        raise OSError("no worker today")

    monkeypatch.setattr(parse_stdlib, "open_records", fail)
    job = partial(stdlib_parser.parse_files, str(tmp_path))
    with pytest.raises(OSError, match="no worker today"):
        parse_stdlib.run_beside_main_thread(
            "subprocess", job, parse_stdlib.make_progress(0, wanted=False)
        )


def test_backend_names_are_those_of_farside() -> None:
    assert set(parse_stdlib.VARIANTS) - {"main", "thread"} <= set(farside.available_backends())


# The report.


def test_disagreement_names_the_first_difference() -> None:
    a, b, c = (FileRecord(f"{name}.py", 1) for name in "abc")
    runs = {"main": Outcome([a, b], 1.0, []), "thread": Outcome([a, c], 1.0, [])}
    assert parse_stdlib.find_disagreement(runs) == f"main has {b}, thread has {c}"


def test_disagreement_names_a_missing_record() -> None:
    record = FileRecord("a.py", 1)
    runs = {"main": Outcome([record], 1.0, []), "thread": Outcome([], 1.0, [])}
    assert parse_stdlib.find_disagreement(runs) == "main has 1 records, thread has 0"


def test_conclusion_follows_the_numbers() -> None:
    free, held_up = Outcome([], 1.0, [0.001] * 100), Outcome([], 1.0, [0.001, 0.009])
    assert parse_stdlib.conclude({"main": held_up, "subprocess": free, "thread": free}) == (
        "The main thread was kept free (95 % of its beats or more on time) by"
        " subprocess (100.0 %) and thread (100.0 %), but not by main (50.0 %)."
    )
    assert parse_stdlib.conclude({"main": free}).endswith("by main (100.0 %).")
    assert parse_stdlib.conclude({"main": held_up}).endswith(
        "by none of them, but not by main (50.0 %)."
    )


def test_table_is_aligned() -> None:
    late = [0.001] * 98 + [0.002, 0.25]
    runs = {
        "main": Outcome([FileRecord("a.py", 1)] * 1234, 12.0, late),
        "subprocess": Outcome([FileRecord("a.py", 1)], 0.5, late),
    }
    _, header, *rows = parse_stdlib.format_table(["main", "subprocess"], runs).splitlines()
    assert rows[0].split() == ["main", "12.00", "103", "1.00", "2.00", "250.00", "99.0", "%"]
    assert {len(row) for row in rows} == {len(header)}


def test_unparsable_files_are_listed_in_ascii() -> None:
    text = parse_stdlib.describe_files(
        [FileRecord("a.py", 10, 2, 3, "d"), FileRecord("b.py", 5, error="SyntaxError: €")]
    )
    assert text.splitlines() == [
        "2 files, 0.0 MB: 2 tokens, 3 tree nodes; 1 files cannot be parsed",
        r"  b.py: SyntaxError: \u20ac",
    ]


# The heartbeat.


class FakeClock:
    """Stands in for the `time` module: sleeping takes no time."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        """Return the present time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let that much time go by at once."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock that the heartbeat sees."""
    fake = FakeClock()
    monkeypatch.setattr(heartbeat, "time", fake)
    return fake


def test_beats_keep_to_the_schedule(clock: FakeClock) -> None:
    pulse = heartbeat.Heartbeat(period=0.25)
    pulse.beat()
    clock.now += 0.125  # Less than a period: the next beat is not late.
    pulse.beat()
    assert pulse.lateness == [0.0, 0.0]
    assert clock.now == 100.5


def test_each_beat_due_during_a_hold_up_is_late_by_its_rest(clock: FakeClock) -> None:
    pulse = heartbeat.Heartbeat(period=0.25)
    clock.now += 0.875
    pulse.catch_up()
    assert pulse.lateness == [0.625, 0.375, 0.125]
    assert pulse.next_due == 101.0


def test_nothing_to_catch_up_before_the_first_beat_is_due(clock: FakeClock) -> None:
    pulse = heartbeat.Heartbeat(period=0.25)
    clock.now += 0.125
    pulse.catch_up()
    assert pulse.lateness == []


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (50.5, 51), (99, 99), (100, 100)]
)
def test_percentile_of_a_hundred_values(percent: float, expected: int) -> None:
    assert heartbeat.percentile(range(100, 0, -1), percent) == expected


def test_percentile_of_one_value() -> None:
    assert heartbeat.percentile([7.0], 99) == 7.0


def test_a_beat_as_late_as_a_period_is_not_on_time() -> None:
    assert heartbeat.percent_on_time([0.0, 0.004, 0.005, 0.1], 0.005) == 50.0


# The parser.


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (b"print 'Python 2'\n", "SyntaxError"),
        (b"def f(:\n", "SyntaxError|TokenError"),
        (b"x = (\n", "SyntaxError|TokenError"),
        (b"if x:\n        a\n    b\n", "IndentationError"),
        (b"# coding: no-such-codec\n", "SyntaxError"),
        (b"x = '\xff'\n", "SyntaxError|UnicodeDecodeError"),
        (b"x = 1\0\n", "SyntaxError|ValueError|TokenError"),
    ],
)
def test_a_bad_file_gives_a_record_with_its_error(
    source: bytes, error: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_bytes(source)
    record = stdlib_parser.parse_file(str(tmp_path), "bad.py")
    assert re.match(rf"({error}): .", record.error)
    assert record == FileRecord("bad.py", len(source), error=record.error)


def test_an_unreadable_file_gives_a_record_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    (record,) = stdlib_parser.parse_files(str(tmp_path))
    assert record.error.startswith("FileNotFoundError: ")


def test_a_good_file_is_counted_and_survives_pickle(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_bytes(b"x = 1\n")
    record = stdlib_parser.parse_file(str(tmp_path), "good.py")
    # Tokens: encoding, name, operator, number, newline, end. Nodes: module, assignment, name,
    # its store context, constant.
    assert record == FileRecord("good.py", 6, 6, 5, record.digest)
    assert len(record.digest) == 32
    assert pickle.loads(pickle.dumps(record)) == record
    with pytest.raises(AttributeError):
        record.size = 0  # type: ignore[misc]


def test_the_digest_follows_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    (tmp_path / "b.py").write_bytes(b"x = 2\n")
    a, b = stdlib_parser.parse_files(str(tmp_path))
    assert (a.tokens, a.nodes) == (b.tokens, b.nodes)
    assert a.digest != b.digest


@pytest.mark.filterwarnings("error")
def test_warnings_of_old_code_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_bytes(rb"x = '\d'" + b"\n")
    assert stdlib_parser.parse_file(str(tmp_path), "old.py").error == ""


def test_listing_is_sorted_limited_and_without_installed_packages(tmp_path: Path) -> None:
    for name in ("z.py", "a/b.py", "a/note.txt", "site-packages/x.py", "a/dist-packages/y.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert stdlib_parser.list_files(str(tmp_path)) == ["a/b.py", "z.py"]
    assert stdlib_parser.list_files(str(tmp_path), 1) == ["a/b.py"]
