"""serve: from the first frame to the end; it shows what a whole worker says."""

import os
import pickle

from farside._link.frames import HEADER_SIZE
from farside._payload.job import JOB, Job
from farside._protocol.messages import Cmd, Status
from tests.worker.harness import BUDGET, INFO, Serving, make_job, running, saying, serving


def pickled_job(call: object) -> Job:
    return Job(pickle.dumps((call, (), ())), None, None, BUDGET, INFO)


def test_the_job_comes_as_the_first_frame() -> None:
    with running(Serving(None, saying(pickled_job(list)))) as worker:
        worker.expect_ready()


def test_a_job_that_does_not_load_is_told() -> None:
    gone = (JOB, 0, [b"cfarside\nno_such_name\n."])  # what it refers to is not in this interpreter
    with running(Serving(None, gone)) as worker:
        failure = worker.expect_failure(Status.INITIALIZATION_FAILED)
    assert (failure.stage, failure.type_name) == ("load", "AttributeError")


def test_a_backend_that_sends_no_job_is_told_so() -> None:
    with running(Serving(None, (Cmd.START_ITERATION, 1, []))) as worker:
        failure = worker.expect_failure(Status.INITIALIZATION_FAILED)
    assert (failure.stage, failure.type_name) == ("load", "farside.errors.ProtocolError")
    assert f"no job, but of kind {int(Cmd.START_ITERATION)}; the backend sends" in failure.message


def test_a_job_that_was_handed_over_is_not_awaited() -> None:
    with running(Serving(make_job(lambda: "ab"))) as worker:
        worker.expect_ready()
        worker.start(1)
        worker.expect_items(1, "a", "b")
        worker.expect(Status.ITERATION_FINISHED, 1)


def test_commands_that_came_with_the_job_are_obeyed() -> None:
    job = saying(pickled_job(list))
    with running(Serving(None, job, (Cmd.START_ITERATION, 1, []))) as worker:
        worker.expect_ready()
        worker.expect(Status.ITERATION_STARTED, 1)
        worker.expect(Status.ITERATION_FINISHED, 1)


def test_a_parent_that_is_gone_before_the_job_ends_the_worker() -> None:
    with running(Serving(None)) as worker:
        worker.parent.close()


def test_a_parent_that_is_gone_ends_a_worker_that_stands_by() -> None:
    with serving(list) as worker:
        worker.parent.close()


def test_abort_ends_a_worker_that_stands_by() -> None:
    with serving(list) as worker:
        worker.say(Cmd.ABORT)
        worker.expect_end()


def test_garbage_ends_a_worker_like_a_parent_that_is_gone() -> None:
    with serving(list) as worker:
        os.write(worker.parent._commands.fileno(), b"?" * HEADER_SIZE)
        worker.expect_end()


def test_an_unknown_command_ends_the_worker() -> None:
    with serving(list) as worker:
        worker.say(200, 1)
        worker.expect(Status.UNEXPECTED_CMD_RECEIVED)
        worker.expect_end()


def test_many_passes_left_early() -> None:
    with serving(lambda: range(1000)) as worker:
        for epoch in range(1, 201):
            worker.say(Cmd.START_ITERATION, epoch)
            worker.expect(Status.ITERATION_STARTED, epoch)
            worker.expect_items(epoch, 0)
            worker.stop(epoch)
            while worker.receive().kind != Status.ITERATION_FINISHED:
                pass
