"""Tables, with rich and without, on a terminal and not."""

from __future__ import annotations

import sys

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
    output.table("A title", ("name", "number", ""), ROWS, numbers=[1])


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
    output.text("word " * 20)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "A title"
    assert max(map(len, map(str.rstrip, lines))) < 50
    assert any("terminal has" in line for line in lines)


def test_no_headers(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("T", ("", ""), [("key", "value")])
    assert capsys.readouterr().out == "T\n  key  value\n\n"
