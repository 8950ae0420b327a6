"""What the link over pipes alone promises. `test_contract` has the rest."""

import fcntl
import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._link import pipes, reader, writer
from farside._link.control import WORKER_WAITED, acknowledged_word
from farside._link.frames import HEADER_SIZE, Decoder, Frame, header
from farside._link.opening import WorkerEnds, open_link
from farside._link.pipes import PipeLink
from farside._link.spinning import SPIN_NS
from farside._link.worker_pipes import PipeWorkerLink
from farside.errors import LinkClosedError, ProtocolError
from farside.testing.checks import is_readable
from tests.background import Background, receive
from tests.children import run_python
from tests.link.links import close_all
from tests.steady import STEADY


def parent_fds(parent: PipeLink) -> list[int]:
    return [end.fileno() for end in (parent._commands, parent._wakes, parent._reader.end)]


def test_all_ends_are_closed_on_exec(parent: PipeLink, worker_ends: WorkerEnds) -> None:
    fds = [*parent_fds(parent), *(end.fileno() for end in worker_ends)]
    assert len(set(fds)) == 7
    assert not any(os.get_inheritable(fd) for fd in fds)


def test_the_parents_ends_do_not_block(parent: PipeLink) -> None:
    assert not any(os.get_blocking(fd) for fd in parent_fds(parent))


def test_the_workers_end_of_commands_alone_blocks(
    worker: PipeWorkerLink, worker_ends: WorkerEnds
) -> None:
    assert worker is not None
    commands, wakes, frames, _ = (end.fileno() for end in worker_ends)
    assert os.get_blocking(commands)
    assert not os.get_blocking(frames)
    assert not os.get_blocking(wakes)


@pytest.mark.usefixtures("worker")
def test_the_worker_closes_none_of_its_ends(worker_ends: WorkerEnds) -> None:
    for end in worker_ends:
        os.fstat(end.fileno())


@pytest.mark.parametrize("size", [0, 1, 100])
def test_more_parts_than_one_system_call_takes(
    parent: PipeLink, worker: PipeWorkerLink, size: int
) -> None:
    parts = [bytes([i % 256]) * size for i in range(3 * writer.IOV_MAX + 1)]
    sending = Background(worker.send, 1, 2, parts)
    got: deque[Frame] = deque()
    assert receive(parent, got)
    sending.result()
    assert list(got) == [Frame(1, 2, b"".join(parts))]


def test_a_loop_that_was_replaced_has_no_say_any_more(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    parent.acknowledge(2, 5)
    parent.acknowledge(1, 9)
    assert worker.acknowledged(2) == 5
    parent.acknowledge(2, 4)  # a worker that was started again is told its own
    assert worker.acknowledged(2) == 4


def test_a_loop_that_a_signal_handler_begins_in_the_middle_of_another_is_not_forgotten(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it took from then on was told as if the other one had, and the worker waited."""

    def struck(epoch: int, total: int) -> int:
        monkeypatch.undo()
        parent.acknowledge(2, 1)
        return acknowledged_word(epoch, total)

    monkeypatch.setattr(pipes, "acknowledged_word", struck)
    parent.acknowledge(1, 1)
    assert worker.acknowledged(2) == 1
    parent.acknowledge(2, 2)
    assert worker.acknowledged(2) == 2


def test_so_it_is_where_that_comes_at_a_later_item(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    """Python 3.10 looks for signals and other threads after a comparison whose result is false."""

    class Struck(int):
        def __gt__(self, other: int) -> bool:
            parent.acknowledge(2, 1)
            return int(self) > other

    parent.acknowledge(1, 1)
    parent.acknowledge(Struck(1), 2)
    assert worker.acknowledged(2) == 1


def test_a_word_that_is_written_late_does_not_stay_over_that_of_a_later_loop(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GIL a thread may be held up just before it writes. The worker waited for good."""
    control = parent._control

    class Late:
        def __getitem__(self, at: int) -> int:
            return control[at]

        def __setitem__(self, at: int, word: int) -> None:
            if word == acknowledged_word(1, 2):
                parent.acknowledge(2, 5)
            control[at] = word

    monkeypatch.setattr(pipes, "FREE_THREADED", True)
    parent.acknowledge(1, 1)
    with monkeypatch.context() as patched:
        patched.setattr(parent, "_control", Late())
        parent.acknowledge(1, 2)
    assert worker.acknowledged(2) == 5


@STEADY
@given(st.lists(st.binary(max_size=5)), st.data())
def test_what_is_left_after_a_partial_write(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    count = data.draw(st.integers(min_value=0, max_value=len(whole)))
    left = [memoryview(part) if i % 2 else part for i, part in enumerate(parts)]
    left = writer.left_of(left, count)
    assert b"".join(left) == whole[count:]
    assert bool(b"".join(left)) == bool(left)  # nothing is left of nothing: the loop ends


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="a pipe holds too little")
def test_what_an_ended_worker_has_sent_is_received_in_pieces(
    parent: PipeLink, worker: PipeWorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel, writer = os.pipe()
    parent.watch(sentinel)
    os.close(sentinel)
    os.close(writer)
    worker.send(1, 1, [bytes(100_000)])
    monkeypatch.setattr(reader, "_READS", 1)
    got: deque[Frame] = deque()
    assert is_readable(parent)
    assert parent.read(got) is False
    assert parent.read(got) is True
    with pytest.raises(LinkClosedError):
        parent.read(got)
    assert list(got) == [Frame(1, 1, bytes(100_000))]


class InterruptingDecoder(Decoder):
    """Is interrupted by Ctrl-C when bytes have been read and not yet decoded."""

    def filled(self, *_: object) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_read_leaves_the_channel_out_of_step(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    parent._reader._decoder = InterruptingDecoder()
    worker.send(1, 1)
    with pytest.raises(KeyboardInterrupt):
        receive(parent, deque())
    worker.send(1, 1)
    for _ in range(2):
        with pytest.raises(ProtocolError, match="signal handler"):
            receive(parent, deque())


def test_the_end_of_the_process_is_told_apart_from_frames(
    parent: PipeLink, worker: PipeWorkerLink
) -> None:
    sentinel, writer = os.pipe()
    parent.watch(sentinel)
    os.close(sentinel)
    worker.send(1, 1)
    assert is_readable(parent)
    assert receive(parent, deque())
    assert parent.read(deque()) is False
    os.close(writer)
    assert parent.read(deque()) is False  # nobody has noticed the end
    assert is_readable(parent)
    with pytest.raises(LinkClosedError, match="the worker has ended"):
        parent.read(deque())


def test_the_last_gauges_stay(parent: PipeLink, worker: PipeWorkerLink) -> None:
    worker._control[WORKER_WAITED] = 2_000_000_000 << 1
    parent.close()
    worker._control[WORKER_WAITED] = 0
    assert parent.gauges().worker_waited == 2


def test_a_look_counts_as_waiting(parent: PipeLink, worker: PipeWorkerLink) -> None:
    parent.acknowledge(1, 1)
    assert worker.spin_for_credit(1, 1)
    before = parent.gauges().worker_waited
    assert not worker.spin_for_credit(1, 2)
    assert parent.gauges().worker_waited - before >= SPIN_NS / 1e9


def test_garbage_from_the_worker(parent: PipeLink, worker_ends: WorkerEnds) -> None:
    os.write(worker_ends.frames.fileno(), b"?" * HEADER_SIZE)
    for _ in range(2):  # nothing after it is trusted
        with pytest.raises(ProtocolError):
            receive(parent, deque())


def test_garbage_from_the_parent(parent: PipeLink, worker: PipeWorkerLink) -> None:
    os.write(parent._commands.fileno(), b"?" * HEADER_SIZE)
    with pytest.raises(ProtocolError):
        worker.receive(deque())


def test_a_frame_cut_short_is_told(parent: PipeLink, worker_ends: WorkerEnds) -> None:
    os.write(worker_ends.frames.fileno(), header(1, 1, 10) + b"half")
    close_all(worker_ends)
    with pytest.raises(LinkClosedError, match="in the middle of a frame"):
        receive(parent, deque())


def test_when_descriptors_run_out_none_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = os.pipe

    def scarce() -> tuple[int, int]:
        if len(made) == 4:
            raise OSError(24, "Too many open files")
        made.extend(fds := real())
        return fds

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", scarce)
        with pytest.raises(OSError, match="Too many"):
            open_link(0)
    for fd in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


SIGPIPE_SCRIPT = """\
import signal
from farside._link.opening import open_link
from farside.errors import LinkClosedError

{before}
link, ends = open_link(0)
for end in ends:
    end.close()
{after}
link.revoke(1)
try:
    link.send(1, 1)
except LinkClosedError:
    print("raised", signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def test_with_sigpipes_default_a_worker_that_is_gone_does_not_kill_the_parent() -> None:
    restored = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    script = SIGPIPE_SCRIPT.format(before=restored, after="")
    assert run_python(script) == "raised False\n"


def test_nor_does_it_where_the_default_is_restored_after_the_start() -> None:
    restored = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    script = SIGPIPE_SCRIPT.format(before="", after=restored)
    assert run_python(script) == "raised False\n"


def test_a_blocked_sigpipe_stays_blocked() -> None:
    restored = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})"
    script = SIGPIPE_SCRIPT.format(before=restored, after=blocked)
    assert run_python(script) == "raised True\n"
