"""Descriptors 0, 1 and 2 where some are closed: in forked children, which can do without."""

import os
from typing import NoReturn
from unittest import mock

from farside._system.standard import above_standard, closed_standard, fill_standard
from tests.children import forked


def test_one_that_gets_such_a_number_gets_another() -> None:
    def check() -> None:
        os.close(0)
        fd = above_standard(os.open(os.devnull, os.O_RDONLY))
        assert fd > 2
        assert not os.get_inheritable(fd)
        assert closed_standard() == [0]
        assert above_standard(fd) == fd

    assert forked(check) == 0


def test_they_are_filled_for_programs_that_are_started_too() -> None:
    def check() -> None:
        os.close(0)
        os.close(1)
        assert closed_standard() == fill_standard() == [0, 1]
        assert os.get_inheritable(0)
        assert os.get_inheritable(1)
        assert fill_standard() == []

    assert forked(check) == 0


def refuse(*_: object) -> NoReturn:
    raise FileNotFoundError


def test_they_stay_closed_without_a_null_device() -> None:
    def check() -> None:
        os.close(0)
        with mock.patch("os.open", refuse):
            assert fill_standard() == []
        assert closed_standard() == [0]

    assert forked(check) == 0


def test_one_that_another_thread_has_just_opened_stays() -> None:
    def check() -> None:
        real, free = os.open, os.dup(1)
        os.close(free)
        os.close(0)

        def late(*given: object) -> int:
            os.dup(1)  # the other thread's
            return real(*given)  # type: ignore[arg-type]

        with mock.patch("os.open", late):
            assert fill_standard() == []
        assert os.dup(1) == free, "none is left behind"

    assert forked(check) == 0
