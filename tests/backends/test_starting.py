"""A worker that is started, and that nobody gets to know, is let go."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from farside._backends.starting import start
from farside._payload.job import Job
from farside._system.signals import defer_signals
from farside.errors import LinkClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

JOB = Job(b"a pickle", None, None, 1, ("subprocess", "worker", 0, 1, 0, 0))


@pytest.fixture
def worker() -> Any:
    return mock.Mock()


def test_it_is_started_and_has_its_job(worker: Any) -> None:
    assert start(lambda: worker, JOB) is worker
    assert worker.link.send.call_count == 1
    assert not worker.link.close.called


def test_one_that_is_gone_already_is_no_error(worker: Any) -> None:
    worker.link.send.side_effect = LinkClosedError("gone")
    assert start(lambda: worker, JOB) is worker


def test_ctrl_c_while_it_starts(worker: Any) -> None:
    def begin() -> Any:
        signal.raise_signal(signal.SIGINT)
        return worker

    with pytest.raises(KeyboardInterrupt):
        start(begin)
    worker.link.close.assert_called_once_with()


def test_a_job_that_cannot_be_sent(worker: Any) -> None:
    worker.link.send.side_effect = OSError
    with pytest.raises(OSError):  # noqa: PT011  it has no text
        start(lambda: worker, JOB)
    worker.link.close.assert_called_once_with()


def test_what_runs_it_may_fail_afterwards(worker: Any) -> None:
    def run(work: Callable[[], Any]) -> None:
        defer_signals(work)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        start(lambda: worker, None, run)
    worker.link.close.assert_called_once_with()
