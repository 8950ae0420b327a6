"""SIGPIPE: a write to nobody raises, whatever the program has made of the signal."""

import os
import signal

import pytest

from farside._system import sigpipe
from farside._system.descriptors import pipe
from tests.children import forked


def write_to_nobody() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        os.write(write, b"x")
    finally:
        os.close(write)


def restore_default() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def is_blocked() -> bool:
    return signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_its_default_kills() -> None:
    def check() -> None:
        restore_default()
        write_to_nobody()

    assert forked(check) == -signal.SIGPIPE


def test_held_back_it_does_not_kill() -> None:
    def check() -> None:
        restore_default()
        for _ in range(2):
            with pytest.raises(BrokenPipeError):
                sigpipe.guarded(write_to_nobody)
            assert not is_blocked()

    assert forked(check) == 0


def test_it_is_held_back_only_where_it_kills() -> None:
    assert not sigpipe.guarded(is_blocked), "Python ignores it"

    def check() -> None:
        restore_default()
        assert sigpipe.guarded(is_blocked)
        assert not is_blocked()

    assert forked(check) == 0


def test_blocked_before_it_stays_blocked_and_pending() -> None:
    def check() -> None:
        restore_default()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        with pytest.raises(BrokenPipeError):
            sigpipe.guarded(write_to_nobody)
        assert is_blocked()
        assert signal.SIGPIPE in signal.sigpending()

    assert forked(check) == 0


def test_held_back_twice_it_is_held_until_the_outer_end() -> None:
    def check() -> None:
        restore_default()
        assert sigpipe.guarded(lambda: sigpipe.guarded(is_blocked) and is_blocked())
        assert not is_blocked()

    assert forked(check) == 0


def test_an_end_that_another_thread_closes_just_now_gets_no_reader() -> None:
    def check() -> None:
        restore_default()
        read, write = pipe()
        read.close()
        sigpipe.outlast(read)
        write.close()

    assert forked(check) == 0
