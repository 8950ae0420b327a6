"""What the channel over pipes alone promises. `test_channel_contract` has the rest."""

import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._transport import pipe_io, pipes
from farside._transport.frames import HEADER_SIZE, Decoder, Frame, header
from farside._transport.opening import WorkerEnds, open_channel
from farside._transport.pipes import PipeParentChannel
from farside._transport.worker_pipes import PipeWorkerChannel
from farside.errors import ChannelClosedError, ProtocolError
from tests.transport.background import SECONDS, Background
from tests.transport.channels import close_all
from tests.transport.children import run_python
from tests.transport.steady import STEADY


def parent_fds(parent: PipeParentChannel) -> list[int]:
    return [end.fileno() for end in (parent._sender.end, parent._wakes, parent._reader.end)]


def test_all_ends_are_closed_on_exec(parent: PipeParentChannel, worker_ends: WorkerEnds) -> None:
    fds = [*parent_fds(parent), *(end.fileno() for end in worker_ends)]
    assert len(set(fds)) == 7
    assert not any(os.get_inheritable(fd) for fd in fds)


def test_the_parents_ends_do_not_block(parent: PipeParentChannel) -> None:
    assert not any(os.get_blocking(fd) for fd in parent_fds(parent))


def test_the_workers_end_of_commands_alone_blocks(
    worker: PipeWorkerChannel, worker_ends: WorkerEnds
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
    parent: PipeParentChannel, worker: PipeWorkerChannel, size: int
) -> None:
    parts = [bytes([i % 256]) * size for i in range(3 * pipe_io.IOV_MAX + 1)]
    sending = Background(worker.send, 1, 2, parts)
    got: deque[Frame] = deque()
    while not got:
        assert parent.receive(got, SECONDS)
    sending.result()
    assert list(got) == [Frame(1, 2, b"".join(parts))]


@STEADY
@given(st.lists(st.binary(max_size=5)), st.data())
def test_what_is_left_after_a_partial_write(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    count = data.draw(st.integers(min_value=0, max_value=len(whole)))
    left = [memoryview(part) if i % 2 else part for i, part in enumerate(parts)]
    left = pipe_io.left_of(left, count)
    assert b"".join(left) == whole[count:]
    assert bool(b"".join(left)) == bool(left)  # nothing is left of nothing: the loop ends


def test_what_an_ended_worker_has_sent_is_received_in_pieces(
    parent: PipeParentChannel, worker: PipeWorkerChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel, writer = os.pipe()
    parent.watch(sentinel)
    os.close(sentinel)
    os.close(writer)
    worker.send(1, 1, [bytes(100_000)])
    monkeypatch.setattr(pipes, "_READS", 1)
    got: deque[Frame] = deque()
    assert parent.receive_now(got) is False
    assert parent.receive_now(got) is True
    with pytest.raises(ChannelClosedError):
        parent.receive_now(got)
    assert list(got) == [Frame(1, 1, bytes(100_000))]


class InterruptingDecoder(Decoder):
    """Is interrupted by Ctrl-C when bytes have been read and not yet decoded."""

    def filled(self, *_: object) -> None:
        raise KeyboardInterrupt


def test_an_interrupted_read_leaves_the_channel_out_of_step(
    parent: PipeParentChannel, worker: PipeWorkerChannel
) -> None:
    parent._reader._decoder = InterruptingDecoder()
    worker.send(1, 1)
    with pytest.raises(KeyboardInterrupt):
        parent.receive(deque(), SECONDS)
    worker.send(1, 1)
    for _ in range(2):
        with pytest.raises(ProtocolError, match="signal handler"):
            parent.receive(deque(), SECONDS)


def test_an_interrupted_wait_does_no_harm(
    parent: PipeParentChannel, worker: PipeWorkerChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PipeParentChannel, "_wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            parent.receive(deque(), SECONDS)
    worker.send(1, 1, [b"after"])
    got: deque[Frame] = deque()
    assert parent.receive(got, SECONDS)
    assert list(got) == [Frame(1, 1, b"after")]


def test_garbage_from_the_worker(parent: PipeParentChannel, worker_ends: WorkerEnds) -> None:
    os.write(worker_ends.frames.fileno(), b"?" * HEADER_SIZE)
    for _ in range(2):  # nothing after it is trusted
        with pytest.raises(ProtocolError):
            parent.receive(deque(), SECONDS)


def test_garbage_from_the_parent(parent: PipeParentChannel, worker: PipeWorkerChannel) -> None:
    os.write(parent._sender.end.fileno(), b"?" * HEADER_SIZE)
    with pytest.raises(ProtocolError):
        worker.receive(deque())


def test_a_frame_cut_short_is_told(parent: PipeParentChannel, worker_ends: WorkerEnds) -> None:
    os.write(worker_ends.frames.fileno(), header(1, 1, 10) + b"half")
    close_all(worker_ends)
    with pytest.raises(ChannelClosedError, match="in the middle of a frame"):
        parent.receive(deque(), SECONDS)


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
            open_channel(0)
    for fd in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


SIGPIPE_SCRIPT = """\
import signal
from farside._transport.opening import open_channel
from farside.errors import ChannelClosedError

{before}
channel, ends = open_channel(0)
for end in ends:
    end.close()
{after}
channel.revoke(1)
try:
    channel.send(1, 1)
except ChannelClosedError:
    print("raised", signal.SIGPIPE in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def test_with_sigpipes_default_a_worker_that_is_gone_does_not_kill_the_parent() -> None:
    restored = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    script = SIGPIPE_SCRIPT.format(before=restored, after="")
    assert run_python(script) == "raised False\n"


def test_a_blocked_sigpipe_stays_blocked() -> None:
    restored = "signal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})"
    script = SIGPIPE_SCRIPT.format(before=restored, after=blocked)
    assert run_python(script) == "raised True\n"
