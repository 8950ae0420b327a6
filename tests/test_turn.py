"""Turn: mutual exclusion with notes."""

from __future__ import annotations

import signal
import threading
from functools import partial

import pytest

from farside import FarsideError
from farside._turn import Turn


def test_a_note_is_read_at_once_when_nobody_has_the_turn() -> None:
    seen: list[int] = []
    turn = Turn(seen.append)
    turn.note(1)
    assert seen == [1]


def test_a_note_left_in_the_own_turn_is_read_after_it() -> None:
    seen: list[int] = []
    turn = Turn(seen.append)

    def work() -> None:
        turn.note(1)
        turn.run(lambda: turn.note(2))
        assert seen == []

    turn.run(work)
    assert seen == [1, 2]


def test_a_note_left_by_another_thread_is_read_by_whoever_has_the_turn() -> None:
    seen: list[tuple[int, int]] = []
    turn = Turn(lambda value: seen.append((value, threading.get_ident())))

    def work() -> None:
        other = threading.Thread(target=turn.note, args=(1,))
        other.start()
        other.join(10)  # it does not wait for the turn
        assert not other.is_alive()
        assert seen == []

    turn.run(work)
    assert seen == [(1, threading.get_ident())]


def test_a_note_left_while_notes_are_read_is_read_next() -> None:
    seen: list[int] = []

    def read(value: int) -> None:
        seen.append(value)
        if value < 3:
            turn.note(value + 1)

    turn = Turn(read)
    turn.note(1)
    assert seen == [1, 2, 3]


def test_no_note_is_lost_between_threads() -> None:
    seen: list[int] = []
    turn = Turn(seen.append)

    def work(start: int) -> None:
        for number in range(start, start + 500):
            turn.run(partial(turn.note, number))
            turn.note(-number)

    threads = [threading.Thread(target=work, args=(start,)) for start in (1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 3000
    assert sorted(seen) == sorted({*seen})


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, ValueError])
def test_interrupted_work_is_torn(interrupt: type[BaseException]) -> None:
    def work() -> None:
        raise interrupt

    turn = Turn(lambda _: None)
    with pytest.raises(interrupt):
        turn.run(work)
    assert turn.torn
    assert turn.run(lambda: 3) == 3


def test_an_error_of_farside_is_no_interruption() -> None:
    def work() -> None:
        raise FarsideError

    turn = Turn(lambda _: None)
    with pytest.raises(FarsideError):
        turn.run(work)
    assert not turn.torn


def test_ctrl_c_does_not_tear_the_reading_of_notes() -> None:
    seen: list[int] = []

    def read(value: int) -> None:
        signal.raise_signal(signal.SIGINT)
        seen.append(value)

    turn = Turn(read)
    with pytest.raises(KeyboardInterrupt):
        turn.note(1)
    assert seen == [1]
    assert not turn.torn
