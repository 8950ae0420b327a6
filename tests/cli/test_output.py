"""Tables, with rich and without, on a terminal and not."""

from __future__ import annotations

import sys
import time

import pytest

from farside._cli import output

ROWS = [("a", "1", "some words that need more room than a narrow terminal has"), ("bb", "22", "")]
PLAIN = """\
A title
  name  number
  a          1  some words that need more room than a narrow terminal has
  bb        22

"""


def show() -> None:
    made = output.Table("A title", [("name", 4), ("number", -6)])
    for row in ROWS:
        made.row(*row)
    made.end()


def test_plain(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    assert capsys.readouterr().out == PLAIN


@pytest.mark.parametrize("rich", [True, False])
def test_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, rich: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "dumb")
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
    show()
    output.paragraph("word " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "A title"
    assert max(map(len, map(str.rstrip, lines))) < 50
    assert any("terminal has" in line for line in lines)


def test_no_headers(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("T", [("key", "value")])
    assert capsys.readouterr().out == "T\n  key  value\n\n"


def test_a_row_of_two_cells_takes_all_the_room(capsys: pytest.CaptureFixture[str]) -> None:
    output.Table("T", [("", 3), ("", 4)]).row("a", "longer than the column")
    assert capsys.readouterr().out == "T\n  a    longer than the column\n"


@pytest.mark.parametrize("columns", ["0", "1", "20"])
def test_a_terminal_that_is_too_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    output.table("T", [("a name that is longer than the terminal is wide", "what is said of it")])
    output.paragraph("word " * 9)
    assert "what is said of" in capsys.readouterr().out


def test_a_step_whose_name_looks_like_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with output.step('samples:read("[/data]*.gz")', 3.0):
        pass


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("looks", [True, False])
def test_a_step_is_told_while_it_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, rich: bool, looks: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: looks, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if not rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    with output.step("look", 3):
        before = capsys.readouterr().err
        time.sleep(0.2 if rich else 0)  # a thread of rich draws it
    before += capsys.readouterr().err
    assert "look, 3 s at most" in before
    assert before.endswith("at most\n") is not looks  # else it is wiped away


def test_a_step_takes_one_line_and_is_wiped_away_whatever_happens(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(KeyboardInterrupt), output.step("word " * 20, 3):
        raise KeyboardInterrupt
    line, spaces, rest = capsys.readouterr().err.split("\r")
    assert (len(line), len(spaces.strip()), rest) == (29, 0, "")
    assert len(spaces) == len(line)
