"""The measurement of what safety costs: every variant makes whole passes, and is compared."""

from __future__ import annotations

import pytest

from benchmarks import safety


@pytest.mark.parametrize("name", ["ints", "dicts"])
def test_options_are_compared(name: str) -> None:
    found = safety.compare_options(safety.SOURCES[name](100), 100, 3)
    assert [each.variant for each in found] == list(safety.OPTIONS)
    plain, *others = found
    assert (plain.ratio, plain.low, plain.high, plain.cpu) == (1, 1, 1, 1)
    for each in others:
        assert 0 < each.low <= each.ratio <= each.high
        assert each.rate > 0


def test_states_are_compared() -> None:
    found = safety.compare_states(safety.SOURCES["ints"], 10 * safety.SHARDS, 3)
    assert [each.variant for each in found] == ["plain", "plain again", "state_dict"]


def test_the_command_prints_a_line_for_each_variant(capsys: pytest.CaptureFixture[str]) -> None:
    safety.main(["--only", "ints", "--seconds", "0.001", "--rounds", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(safety.OPTIONS) + 3
    assert all(line.startswith("ints") for line in lines)
