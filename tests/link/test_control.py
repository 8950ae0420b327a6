"""The control block: words do not overlap, and a pass and a number fit into one of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link import control
from farside._link.control import NOTHING, acknowledged_word, begin_batch, begun_word, total_of
from farside._memory.mapping import CONTROL_BYTES
from tests.steady import STEADY

EPOCHS = st.integers(min_value=0, max_value=(1 << 64) - 1)
TOTALS = st.integers(min_value=0, max_value=(1 << 44) - 1)
SECONDS_PER_YEAR = 31_536_000


def test_every_word_has_a_place_of_its_own() -> None:
    words = [control.ATTENTION, control.ACKNOWLEDGED, control.REVOKED, control.WANTED]
    assert len({word // 8 for word in words}) == 4, "and a cache line of its own"
    assert max(words) < CONTROL_BYTES // 8
    assert len({control.PARENT_WAITS, control.COMMAND_CAME}) == 2


@STEADY
@given(EPOCHS, TOTALS)
def test_a_number_comes_back_for_its_pass(epoch: int, total: int) -> None:
    word = acknowledged_word(epoch, total)
    assert 0 <= word < 1 << 64
    assert total_of(word, epoch) == total
    assert total_of(word, epoch + 1) == 0


@STEADY
@given(EPOCHS, TOTALS, TOTALS)
def test_more_items_of_a_pass_make_a_greater_word(epoch: int, one: int, other: int) -> None:
    assert (acknowledged_word(epoch, one) < acknowledged_word(epoch, other)) is (one < other)


@STEADY
@given(st.integers(min_value=0, max_value=(1 << 20) - 2), TOTALS)
def test_no_word_of_an_ordinary_pass_is_nothing(epoch: int, total: int) -> None:
    assert acknowledged_word(epoch, total) != NOTHING


def test_a_pass_may_be_as_long_as_anybody_waits() -> None:
    assert SECONDS_PER_YEAR / 20 < (1 << 44) / 10_000_000


class Moving(list[int]):
    """Words at ``BEGUN``. After some reads, the worker comes to its next batch."""

    reads = 0

    def __getitem__(self, at: Any) -> Any:
        self.reads -= 1
        if self.reads == 0:
            begin_batch(self, epoch=3, first=500, made=20)
            self[2] = 23
        return super().__getitem__(at)


@pytest.mark.parametrize("reads", range(1, 6))
def test_no_other_input_is_named_while_the_worker_comes_to_its_next_batch(reads: int) -> None:
    words = Moving([0, 0, 0])
    begin_batch(words, epoch=3, first=100, made=10)
    words[2] = 19
    words.reads = reads
    assert total_of(begun_word(words), 3) in {110, 504}
