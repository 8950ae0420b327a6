"""Wakeups: what a thread waits for with `poll`, set and closed by other threads."""

import os
import select
from collections import deque
from itertools import repeat, starmap

import pytest

from farside._system.wakeup import Wakeup
from tests.background import Background
from tests.children import run_python


@pytest.mark.parametrize("eventfd", [True, False])
def test_a_wakeup_is_readable_until_it_is_cleared(
    monkeypatch: pytest.MonkeyPatch, *, eventfd: bool
) -> None:
    if not eventfd:
        monkeypatch.delattr(os, "eventfd", raising=False)
    wakeup = Wakeup()
    for _ in range(3):
        wakeup.set()
    assert is_readable(wakeup.fileno())
    wakeup.clear()
    assert not is_readable(wakeup.fileno())
    # Whoever looks too late, or twice, must not wait.
    Background(wakeup.clear).result()
    Background(deque, starmap(wakeup.set, repeat((), 70_000)), 0).result()
    wakeup.close()
    assert wakeup.closed
    wakeup.set()
    wakeup.clear()


SET_AS_IT_IS_CLOSED = """
import os, signal
from farside._system import descriptors, wakeup

def refuse(*_):
    raise PermissionError("of a policy")

def close_and_set(self):
    close(self)
    of_policy.set()

os.eventfd = refuse
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
of_policy = wakeup.Wakeup()
close, descriptors.Descriptor.close = descriptors.Descriptor.close, close_and_set
of_policy.close()
print("well")
"""


def test_a_wakeup_that_is_set_as_it_is_closed_does_not_end_the_process() -> None:
    assert run_python(SET_AS_IT_IS_CLOSED) == "well\n"


def is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


@pytest.mark.parametrize("name", ["write", "read"])
def test_one_that_is_closed_while_it_is_set_or_cleared_touches_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakeup, call = Wakeup(), getattr(os, name)
    wakeup.set()
    number = wakeup.fileno()

    def closing_first(fd: int, what: object) -> object:
        Background(wakeup.close).result()
        with open(os.devnull) as stranger:
            assert stranger.fileno() != fd
        return call(fd, what)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, closing_first)
        (wakeup.set if name == "write" else wakeup.clear)()
    assert wakeup.closed
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(number)
