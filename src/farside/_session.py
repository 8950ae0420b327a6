"""One worker, from its start to its end, as the parent sees it.

The protocol's tables decide, through `Dialogue`; this module carries out what they say.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from . import _failures, _stacks
from ._backends.lifetime import epilogue
from ._calls import Call, read_length
from ._dialogue import Dialogue
from ._ledger import Ledger
from ._pass import Pass
from ._protocol.messages import CONTINUED, EXHAUSTED
from ._protocol.tables import ParentAction, ParentEvent, ParentState
from ._receiving import FAREWELL_SECONDS, Receiver
from ._records import Origin, Records
from ._stacks import Stack
from ._transport.interrupts import held_back
from ._turn import Turn
from .errors import ChannelClosedError, FarsideError, IterableClosedError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._backends.base import Worker
    from ._options import Options
    from ._receiving import Wanted
    from ._transport.codec import Part
    from ._transport.frames import Frame


class Session(Receiver):
    """One worker and what the parent knows of it.

    Any thread may call any method: the machine and the commands belong to whoever has the turn
    (`_turn`), and one thread at a time receives.

    Attributes:
        worker: the worker.
        backend: name of its backend.
        failure: what ended the worker before its time, or None.
        used: whether the user has got anything from this worker: an item, or an answer to a call.
        counts_items: whether the worker has to know of each item that is taken.
        length: how many items the iterable has said that it has, or None.
        ledger: what is counted of the passes.
        records: what the worker's user code logs, on its way to the loggers.
    """

    _epilogue = epilogue

    def __init__(self, worker: Worker, backend: str, options: Options) -> None:
        # Without a reference to the session: that would make a cycle.
        origin = partial(_origin, worker, backend, options.name)
        records = Records(origin, wanted=options.forward_logs)
        super().__init__(worker, Dialogue(worker), Turn(self._stop), records)
        self.backend = backend
        self.used = False
        self.counts_items = options.buffer_size is not None
        self.length: int | None = None
        self._options = options
        self._pass = Pass(0, 0.0)
        self.ledger = Ledger(self._pass)
        self._call: Call | None = None  # that waits for its answer
        self._stacks: deque[Stack] = deque()  # that were asked for

    @property
    def name(self) -> str:
        """What to call the worker in messages."""
        return _name(self.worker, self.backend, self._options.name)

    # What the user wants --------------------------------------------------------------------

    def await_initialization(self) -> None:
        """Wait until the worker stands by.

        Raises:
            FarsideError: it failed, died, or took too long.
        """
        while self.state is ParentState.INITIALIZATION:
            self.receive(self._pass)
        if self.failure is not None:
            raise self.failure

    def start_pass(self) -> Pass:
        """Begin a pass; one that is still open is superseded.

        Raises:
            IterableClosedError: there is no worker any more.
        """
        self._check_home()
        self._end_if_torn()
        return self._turn.run(self._start_pass)

    def stop_pass(self, epoch: int) -> None:
        """Leave a pass, if it is the present one and not over. Never waits.

        It may be called from a finalizer, in the middle of anything that this or another thread
        does here.
        """
        if not self._epilogue.begun:
            self._turn.note(epoch)

    def take(self, this: Pass, count: int) -> None:
        """Book that further items of a pass were taken."""
        this.taken += count
        self.worker.channel.take(this.epoch, this.taken)

    def start_call(self, method: str, parts: Sequence[Part]) -> Call | None:
        """Make a call, if the worker stands by; return None if it is about to.

        Args:
            method: the name of the method.
            parts: what CALL carries.

        Raises:
            IterableClosedError: there is no worker any more.
            PassOpenError: an iterator is open.
        """
        self._check_home()
        self._end_if_torn()
        return self._turn.run(lambda: self._start_call(method, parts))

    def stack(self) -> str | None:
        """Ask where the worker's threads are; return None when there is no answer.

        Raises:
            IterableClosedError: there is no worker any more.
        """
        text = self._stack()
        self.records.deliver()
        return text

    # The end --------------------------------------------------------------------------------

    def fail(self, error: FarsideError) -> None:
        """End the worker, since something went wrong on this side."""
        self._fail(error)
        self.records.deliver()

    def close(self, *, kill: bool = False) -> bool:
        """End the worker and wait for it; tell whether it has ended.

        Args:
            kill: do not give it time for an orderly end.
        """
        if self._dialogue.foreign_to:
            return True
        problems: list[Exception] = []
        deliver = partial(self.records.deliver_all, problems)
        ended = self._end(kill=kill, seconds=self._options.shutdown_timeout / 2, deliver=deliver)
        deliver()
        if problems:
            raise problems[0]
        return ended

    def abandon(self) -> None:
        """Tell the worker to end, without waiting: for finalizers.

        Nobody else uses the session any more. The worker ends by itself; until then it is on
        record.
        """
        if self._epilogue.begun:
            return

        def leave() -> None:
            self._dialogue.hang_up()
            self.worker.channel.close()

        held_back(leave)  # Ctrl-C would be swallowed in a finalizer, and the worker go on for ever

    def _fail(self, error: FarsideError) -> None:
        if not self._dialogue.foreign_to:
            self._turn.run(lambda: self._give_up(error))
            self._end(kill=True, seconds=FAREWELL_SECONDS, deliver=lambda: None)

    def _end(self, *, kill: bool, seconds: float, deliver: Callable[[], object]) -> bool:
        """End the worker; tell whether it has ended.

        Args:
            kill: do not give it time for an orderly end.
            seconds: how long to listen to what its user code still logs.
            deliver: called when it has logged something.
        """
        self._turn.run(self._say_goodbye)
        if self._turn.torn:  # perhaps nobody has told the worker
            self.worker.channel.close()
            kill = True
        if kill:
            self.worker.kill()
        begun = time.monotonic()
        try:
            self._hear_out(seconds, deliver)
        finally:
            # A worker that is blocked in sending wakes up, and so does a thread that waits.
            self.worker.channel.stop_receiving()
        waited = time.monotonic() - begun
        ended = self.worker.stop(self._options.shutdown_timeout, waited=waited)
        self.worker.channel.close()
        self._frames = deque()  # they may hold memory
        return ended

    def _check_home(self) -> None:
        # Before the turn is taken: another thread of the parent may have had it as it forked.
        if self._dialogue.foreign_to:
            raise _failures.closed(self._dialogue.foreign_to) from self.failure

    # With the turn --------------------------------------------------------------------------

    def _start_pass(self) -> Pass:
        self._check_open()
        before, now = self._pass, time.monotonic()  # the worker may be waiting before this goes on
        self._dialogue.act(ParentAction.START)
        self._pass = Pass(self._dialogue.epoch, now)
        before.cancel(_failures.superseded(before.epoch, self._pass.epoch))
        self.ledger.turn_page(self._pass)
        return self._pass

    def _start_call(self, method: str, parts: Sequence[Part]) -> Call | None:
        self._check_open()
        if self._pass.open:
            raise _failures.pass_open(method)
        if not self._dialogue.allows(ParentAction.CALL):
            return None
        self._dialogue.act(ParentAction.CALL, parts)
        self._call = Call(method)
        return self._call

    def _ask_for_stack(self) -> Stack:
        self._check_open()
        stack = Stack()
        self._stacks.append(stack)
        self._dialogue.act(ParentAction.ASK_FOR_STACK)
        return stack

    def _check_open(self) -> None:
        if self._dialogue.over:
            raise _failures.closed(None) from self.failure

    def _say_goodbye(self) -> None:
        self._dialogue.hang_up()
        self._cancel(_failures.closed(None))

    def _cancel(self, error: FarsideError) -> None:
        self._pass.cancel(error)
        if self._call is not None:
            self._call.finish(error)

    def _stop(self, epoch: int) -> None:
        if epoch != self._dialogue.epoch or self._dialogue.foreign_to:
            return
        if self._dialogue.allows(ParentAction.STOP):
            self._dialogue.act(ParentAction.STOP)
        # Also when the worker has finished: what has arrived may hold memory.
        self._pass.cancel(IterableClosedError("the iterator was closed"))

    def _handle(self, frame: Frame) -> None:
        if self.state is ParentState.DONE:
            return  # closed meanwhile
        event = self._dialogue.hear(frame)
        if event is ParentEvent.ITEM:
            self._pass.arrive(frame)
        elif event in {ParentEvent.PASS_STARTED, ParentEvent.PASS_FINISHED}:
            self._bound(event, frame.body)
        elif event is ParentEvent.READY:
            self.length = read_length(frame.body)
        elif event in {ParentEvent.CALL_RETURNED, ParentEvent.CALL_FAILED}:
            call, self._call = self._call, None
            if call is not None:
                call.arrive(frame, failed=event is ParentEvent.CALL_FAILED)
        elif event is ParentEvent.STACK and self._stacks:
            self._stacks.popleft().arrive(frame.body)
        elif event in {ParentEvent.PASS_FAILED, ParentEvent.INITIALIZATION_FAILED}:
            self._give_up(_failures.to_exception(_failures.read(frame.body), self.name))
        elif event is ParentEvent.REFUSED:
            self._give_up(ProtocolError(f"the {self.name} refused a command"))

    def _bound(self, event: ParentEvent, body: bytes | bytearray) -> None:
        """Take in the beginning or the end of the pass."""
        if event is ParentEvent.PASS_STARTED:
            self._pass.continued = body == CONTINUED
        else:
            self._pass.used_up = body == EXHAUSTED
            self._pass.finish(None)

    def _take_loss(self, error: FarsideError) -> None:
        if self.state is not ParentState.DONE:
            self._dialogue.lose()
            self._give_up(error)

    def _give_up(self, error: FarsideError) -> None:
        """The worker has ended or must; what has arrived can still be taken."""
        if self.failure is None:
            self.failure = error
        self._pass.finish(error)
        if self._call is not None:
            self._call.finish(error)
        self._dialogue.hang_up()

    # While receiving ------------------------------------------------------------------------

    def _prepare(self, wanted: Wanted) -> None:
        is_pass = wanted is self._pass
        self.worker.channel.waits = self.ledger.waits if is_pass and self._pass.epoch else None
        if is_pass:
            # Should another pass have said something about this word since, it is put right.
            self.worker.channel.take(self._pass.epoch, self._pass.taken)

    def _lose(self) -> None:
        if self._dialogue.foreign_to:
            self._cancel(_failures.closed(self._dialogue.foreign_to))
            return
        state = self.public_state
        if self.state is ParentState.DONE:
            return
        status = self.worker.exit_status()
        error = _failures.died(self.name, status, self._pass.last_index, state)
        self._turn.run(lambda: self._take_loss(error))

    def _time_out(self) -> None:
        seconds, state = self.limit, self.public_state
        assert seconds is not None
        method = None if self._call is None else self._call.method
        last, stack = self._pass.last_index, None
        with suppress(IterableClosedError):  # by another thread, just now
            stack = self._stack()
        error = _failures.timed_out(self.name, seconds, last, state, method=method, stack=stack)
        self._fail(error)

    def _stack(self) -> str | None:
        self._check_home()
        stack = self._turn.run(self._ask_for_stack)
        try:
            self._receive_until(lambda: stack.text is not None, _stacks.SECONDS)
            return stack.text
        except ChannelClosedError:
            pass  # whoever receives next finds out how the worker has ended
        except ProtocolError as error:
            self._fail(error)
        return None


def _name(worker: Worker, backend: str, name: str | None) -> str:
    own = "" if name is None else f"{name!r} "
    return f"{backend} worker {own}({worker.label})"


def _origin(worker: Worker, backend: str, name: str | None) -> Origin:
    return Origin(_name(worker, backend, name), backend, worker.label)
