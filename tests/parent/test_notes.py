"""Which line a warning names."""

from __future__ import annotations

import warnings
from functools import partial
from threading import Thread

import pytest

from farside import FarsideWarning
from farside._parent.notes import warn


def test_a_warning_names_the_innermost_line_that_is_not_farsides() -> None:
    with pytest.warns(FarsideWarning, match="careful") as told:
        warn("careful", FarsideWarning)
    assert told[0].filename == __file__


def test_a_warning_of_a_thread_of_farsides_own_names_no_line_of_another_library() -> None:
    thread = Thread(target=partial(warn, "careful", FarsideWarning))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        thread.start()
        thread.join()
    assert [(each.filename, str(each.message)) for each in told] == [("farside", "careful")]
