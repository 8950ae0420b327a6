"""execute_iterable: every transition of the worker, as seen from outside."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pytest

from farside._protocol.messages import EXHAUSTED, Cmd, Status
from tests.background import SECONDS
from tests.worker.harness import Executing, Worker, executing, make_job, running

UNKNOWN = 99


class Held:
    """An iterable whose second item is made when the test says so."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.error: type[BaseException] | None = None

    def __call__(self) -> "Held":
        return self

    def __iter__(self) -> Iterator[str]:
        yield "first"
        self.inside.set()
        assert self.go_on.wait(SECONDS)
        if self.error is not None:
            raise self.error
        yield "second"

    def run_until_inside(self, worker: Worker) -> None:
        worker.start(1)
        worker.expect_items(1, "first")
        assert self.inside.wait(SECONDS)


@pytest.fixture
def held() -> Held:
    return Held()


# Initialization -------------------------------------------------------------------------------


def test_initializers_run_in_order_before_fn_and_nothing_is_iterated() -> None:
    calls: list[str] = []

    class Recorder:
        def __iter__(self) -> Iterator[int]:
            calls.append("iter")
            return iter(())

    def fn() -> Recorder:
        calls.append("fn")
        return Recorder()

    with executing(fn, lambda: calls.append("one"), lambda: calls.append("two")):
        assert calls == ["one", "two", "fn"]


def test_commands_wait_until_initialization_is_over() -> None:
    go_on = threading.Event()
    with running(Executing(make_job(lambda: "ab", lambda: go_on.wait(SECONDS)))) as worker:
        worker.say(Cmd.START_ITERATION, 1)
        go_on.set()
        worker.expect_ready()
        worker.expect(Status.ITERATION_STARTED, 1)
        worker.expect_items(1, "a", "b")


# Stand By -------------------------------------------------------------------------------------


def test_start_begins_a_pass() -> None:
    with executing(lambda: "ab") as worker:
        worker.start(1)
        worker.expect_items(1, "a", "b")
        worker.expect(Status.ITERATION_FINISHED, 1)


def test_stop_is_ignored_in_stand_by() -> None:
    with executing(lambda: "a") as worker:
        worker.stop(0)
        worker.start(1)
        worker.expect_items(1, "a")


def test_abort_ends_a_worker_that_stands_by() -> None:
    with executing(lambda: "a") as worker:
        worker.say(Cmd.ABORT)
        worker.expect_end()


@pytest.mark.parametrize("kind", [UNKNOWN, 0, 255, int(Status.ITERATION_STARTED)])
def test_an_unknown_command_ends_a_worker_that_stands_by(kind: int) -> None:
    with executing(lambda: "a") as worker:
        worker.say(kind, 1)
        worker.expect(Status.UNEXPECTED_CMD_RECEIVED)
        worker.expect_end()


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_pass_must_be_newer_than_the_last(epoch: int) -> None:
    with executing(lambda: "") as worker:
        worker.start(2)
        worker.expect(Status.ITERATION_FINISHED, 2)
        worker.say(Cmd.START_ITERATION, epoch)
        worker.expect(Status.UNEXPECTED_CMD_RECEIVED, 2)
        worker.expect_end()


# Iteration ------------------------------------------------------------------------------------


def test_each_pass_iterates_anew() -> None:
    with executing(lambda: ["a", "b"]) as worker:
        for epoch in (1, 2, 7):
            worker.start(epoch)
            worker.expect_items(epoch, "a", "b")
            worker.expect(Status.ITERATION_FINISHED, epoch)


def test_old_style_sequences_are_iterable() -> None:
    class Sequence:
        def __getitem__(self, index: int) -> int:
            return [10, 11][index]

    with executing(Sequence) as worker:
        worker.start(1)
        worker.expect_items(1, 10, 11)
        worker.expect(Status.ITERATION_FINISHED, 1)


def test_a_waiting_stop_comes_before_the_first_item() -> None:
    made: list[int] = []
    with executing(lambda: map(made.append, range(3))) as worker:
        worker.say(Cmd.START_ITERATION, 1)
        worker.say(Cmd.STOP_ITERATION, 1)
        worker.say(Cmd.START_ITERATION, 2)
        worker.say(Cmd.ABORT)
        worker.expect(Status.ITERATION_STARTED, 1)
        worker.expect(Status.ITERATION_FINISHED, 1)
        worker.expect(Status.ITERATION_STARTED, 2)
        worker.expect_end()
    assert not made


def test_stop_drops_the_item_in_the_making(held: Held) -> None:
    with executing(held) as worker:
        held.run_until_inside(worker)
        worker.stop(1)
        held.go_on.set()
        worker.expect(Status.ITERATION_FINISHED, 1)
        worker.start(2)
        worker.expect_items(2, "first", "second")


@dataclass(frozen=True)
class FrozenError(Exception):
    """Its attributes cannot be set, and so neither can its traceback."""


@pytest.mark.parametrize("error", [ValueError, FrozenError])
def test_stop_drops_the_error_in_the_making(held: Held, error: type[Exception]) -> None:
    held.error = error
    with executing(held) as worker:
        held.run_until_inside(worker)
        worker.stop(1)
        held.go_on.set()
        worker.expect(Status.ITERATION_FINISHED, 1)
        worker.start(2)
        worker.expect_items(2, "first")
        worker.expect_failure(Status.ITERATOR_FAILED, 2)


def test_a_stop_that_meets_the_end_changes_nothing(held: Held) -> None:
    def one_pass() -> Iterator[str]:
        yield from islice(held, 1)
        held.inside.set()
        assert held.go_on.wait(SECONDS)

    with executing(one_pass) as worker:
        held.run_until_inside(worker)
        worker.stop(1)
        held.go_on.set()
        worker.expect(Status.ITERATION_FINISHED, 1)
        worker.start(2)
        worker.expect(Status.ITERATION_FINISHED, 2, EXHAUSTED)


def test_abort_ends_a_pass_without_a_word(held: Held) -> None:
    with executing(held) as worker:
        held.run_until_inside(worker)
        worker.say(Cmd.ABORT)
        held.go_on.set()
        worker.expect_end()


@pytest.mark.parametrize("kind", [Cmd.START_ITERATION, UNKNOWN])
def test_anything_else_in_a_pass_ends_the_worker(held: Held, kind: int) -> None:
    with executing(held) as worker:
        held.run_until_inside(worker)
        worker.say(kind, 2)
        held.go_on.set()
        worker.expect(Status.UNEXPECTED_CMD_RECEIVED, 1)
        worker.expect_end()


# The parent is gone ---------------------------------------------------------------------------


def test_the_parent_is_gone_in_initialization() -> None:
    go_on = threading.Event()
    worker = Executing(make_job(lambda: "a", lambda: go_on.wait(SECONDS)))
    worker.parent.close()
    go_on.set()
    worker.close()


def test_the_parent_is_gone_in_stand_by() -> None:
    with executing(list):
        pass


def test_the_parent_is_gone_while_an_item_is_made(held: Held) -> None:
    with executing(held) as worker:
        held.run_until_inside(worker)
        worker.parent.close()
        held.go_on.set()


def test_the_parent_is_gone_while_an_item_is_sent() -> None:
    with executing(lambda: [bytes(1 << 22)]) as worker:
        worker.start(1)


def test_the_parent_is_gone_while_credit_is_awaited() -> None:
    with executing(lambda: range(10), buffer_size=1) as worker:
        worker.start(1)
        worker.wait_until_out_of_credit()


def test_the_parent_is_gone_when_a_failure_is_told(held: Held) -> None:
    held.error = ValueError
    with executing(held) as worker:
        held.run_until_inside(worker)
        worker.parent.close()
        held.go_on.set()
