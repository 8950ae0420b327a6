"""The parent's half of the protocol with one worker, without I/O.

What is exchanged: the parent sends commands, and the worker answers with statuses (`messages`). The
table in `parent_machine` tells which may follow which. Beside the state, a core knows what its user
still waits for: the items of one pass, the answer to one call, or reports of stacks.

What can happen, at any moment: the user begins a pass, leaves it, calls, asks for stacks or closes;
a frame arrives; the worker ends; time passes. Each of these is an event, and has a method here. An
event changes the core, and appends to its ``effects`` what a shell then has to do, in order. A core
never waits, sends, logs or runs user code.

Why it is enough: nobody waits for ever. A pass or a call ends by a status, the end of the worker, a
deadline, a failure on this side, or the user, and each of these is an event. A request that comes
before the worker stands by is kept, and sent as soon as it does. Statuses of a pass that was left
are dropped: by their epoch, or until the worker has confirmed that it stops. After DONE no command
is sent, and only records are handled.

A core is a plain value. An exception may strike the shell at any moment, so it steps a copy, which
then replaces the core: an event has happened, or it has not. Only frames of items are not copied:
an inbox belongs to one pass, and moving a frame there is a single step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..errors import ProtocolError
from .effects import (
    CLOSED,
    DIED,
    FAILED,
    REFUSED,
    TIMED_OUT,
    Answer,
    Drop,
    Effect,
    End,
    Ending,
    Fail,
    Log,
    Send,
)
from .inbox import Inbox
from .messages import CONTINUED, EXHAUSTED, UNKNOWN, WITH_FAILURE, Cmd, Status
from .parent_machine import PUBLIC_STATES, ParentEvent, ParentMachine, ParentState
from .recovery import STACK_SECONDS, Limits

_ANSWERS = frozenset({Status.CALL_SUCCEEDED, Status.CALL_FAILED})
_SOON_STANDS_BY = frozenset({ParentState.CALLING, ParentState.STOPPING})
_ITEMS = int(Status.ITERATOR_SUCCESS)
_LENGTH_DIGITS = 20  # one more than `len()` can return; `int()` refuses thousands


class ParentCore(ParentMachine):
    """Everything that the parent knows of its conversation with one worker.

    Args:
        limits: how long the worker may be silent.

    Attributes:
        effects: what the shell has to do, in order; it removes each that it has done.
        inbox: the items of the present pass that have arrived.
        over: whether nothing more of the present pass will arrive.
        ending: why the pass is over, if it did not end by itself.
        failure: why the conversation is over; None if it is not, or the user has closed it.
        used_up: whether the worker has reported that an earlier pass had used up its iterator.
        continued: whether it has reported that an earlier pass had left its iterator midway.
        call: the token of the call that waits for its answer; `method` is the method's name.
        length: the length of the iterable, if the worker has reported one.
        launched: when the worker was started, by a monotonic clock; None: not yet.
        waits_since: since when somebody has waited and nothing has arrived.
        paused: since when a wait is paused, as nobody waits; None: it is not.
        latest: for the shell alone: the frame that was handled last.
        begun: the index plus one of the map's input last seen to begin; 0: none; None: unknown.
        task_since: since when that input runs, moved forward if this process was stopped.
        without_input: how many workers in a row before this one have begun no input of the pass.
        without_item: how many restarted workers in a row before this one have sent no item.
        follows_dead: whether it replaces a worker that has died; None: it replaces none.
        ready_since: since when it has stood by.
        loss: for the shell alone: the predecessor's `Ending`, its `Member`, and its `begun`.
        given_late: whether it was given tasks after the first items of the pass had arrived; None:
            it was given none.
        grace: until when a worker that has run out of time may report its stacks.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.effects: tuple[Effect, ...] = ()
        self.inbox = Inbox()
        self._opened = self.over = False
        self.ending: Ending | None = None
        self.failure: Ending | None = None
        self.used_up = self.continued = False
        self.call: Any = None
        self.method: str | None = None
        self.length: int | None = None
        self.launched: float | None = None
        self.waits_since: float | None = None
        self.paused: float | None = None
        self.latest: Any = None
        self.begun: int | None = None
        self.task_since: float | None = None
        self._task_begun: float | None = None  # the same, as the link reported it
        self.without_input = self.without_item = 0
        self._inherited: int | None = None  # items received at its restart; None: progress since
        self.follows_dead: bool | None = None
        self.ready_since = 0.0
        self.loss: Any = None
        self._limits = limits
        self._wanted: int | None = None  # the pass to start as soon as the worker stands by
        self._plan: Any = None  # what START_ITERATION then carries
        self._first = 0  # how many items of the pass the loop had before it was resumed
        self._given: tuple[Any, ...] = ()  # tasks given before the pass began or sent an item
        self.given_late: bool | None = None
        self._call_is_said = self._call_first = False
        # Calls to make again, as a linked list: the first, which may be under way, and the rest.
        # There may be very many, and one tuple of all would be copied for each call.
        self._again: tuple[Any, ...] = ()
        self._stacks: tuple[Any, ...] = ()  # tokens of requests; None for one of the core itself
        self.grace: float | None = None
        self._passed = ""  # which limit has passed

    def copy(self) -> ParentCore:
        """Return a copy. It shares the inbox."""
        made: ParentCore = object.__new__(type(self))
        made.__dict__ = self.__dict__.copy()  # each event makes a copy, so this has to be fast
        return made

    # Questions ------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether the conversation is over."""
        return self.state is ParentState.DONE

    @property
    def opened(self) -> bool:
        """Whether the user has neither left the present pass nor come to its end."""
        return self._opened and not self.inbox.at_end

    @property
    def public_state(self) -> str:
        """Where the worker is, in the words of `RemoteIterable.state`."""
        return PUBLIC_STATES[self.state]

    @property
    def last_index(self) -> int | None:
        """Index of the last item of the present pass that has arrived, as far as that is known."""
        if self._plan is not None and type(self._plan[-1]) is tuple:
            return UNKNOWN  # it reads shards, or runs inputs of a map
        count = self._first + self.inbox.received
        return count - 1 if count else None

    @property
    def deadline(self) -> float | None:
        """When to call `expire` if nothing arrives before; None: never."""
        return self.grace if self.grace is not None or self.done else self._next_limit()[0]

    def _next_limit(self) -> tuple[float | None, str]:
        """Return when the next time limit passes if nothing arrives, and the limit's name."""
        limit, name = self._limits.answer, "timeout"
        since = self.waits_since if self.paused is None else None
        if self.state is ParentState.INITIALIZATION:
            limit, since, name = self._limits.init, self.launched, "init_timeout"
        ends = None if limit is None or since is None else since + limit
        if self.task_since is not None and self._limits.task is not None:
            task_ends = self.task_since + self._limits.task
            if ends is None or task_ends <= ends:
                return task_ends, "task_timeout"
        return ends, name

    def begin_to_wait(self, now: float) -> None:
        """Record that somebody waits for the worker."""
        paused, self.paused = self.paused, None
        if self.waits_since is None:
            self.waits_since = now
        elif paused is not None:
            self.waits_since += now - paused

    def look_at_task(self, begun: int | None, since: float | None) -> None:
        """Record which input of a map the worker has begun, and since when it runs."""
        if self._passed == "task_timeout" and begun and begun != self.begun:
            self.grace = None  # the input that took too long is done, so the worker is spared
        if self.grace is None and not self.done:  # else the input that took too long stays noted
            self.begun = begun
            if since != self._task_begun:
                self._task_begun = self.task_since = since

    # What the user wants --------------------------------------------------------------------

    def start(self, epoch: int, plan: Any = None, delivery: Any = None) -> None:
        """Begin a pass, which supersedes one that is open.

        `epoch` is above all earlier ones. START_ITERATION carries the plan, which is plain values.
        """
        self._discard()
        self.inbox, self.ending = Inbox(delivery), None
        self._opened, self.over = True, False
        self.used_up = self.continued = False
        self.waits_since = self._inherited = None
        self.without_input = self.without_item = 0
        resumed = plan is not None and type(plan[-1]) is list  # see `OneIterable._plan`
        self._first = plan[-1][0] if resumed else 0
        self._begin(epoch, plan)

    def inherit_from(self, before: ParentCore) -> bool:
        """Take the place of a worker that has failed or retired, and keep what it has sent.

        Return whether there is a pass to continue, for which `continue_pass` has to be called.
        """
        assert before.failure is not None
        self.begun, self._inherited = before.begun, before.inbox.received
        self.without_input = before.failure.without_input
        self.without_item = before.failure.without_item
        self.inbox, self._opened, self.length = before.inbox, before._opened, before.length
        self._first = before._first
        self.over = before.over and before.ending is None  # it had finished the pass
        return self.opened and not self.over

    def continue_pass(self, epoch: int, plan: Any) -> None:
        """Continue a pass that another worker has begun."""
        if self.opened and not self.over:
            self._begin(epoch, plan)

    def _begin(self, epoch: int, plan: Any) -> None:
        self._plan, self._given, self.given_late = plan, (), None
        # A call in another thread may be waiting for the end of the pass before. It came first, and
        # if every further pass overtook it, it would have to wait for all of them.
        called = self.call is not None and not self._call_is_said
        self._call_first = called and self.state in _SOON_STANDS_BY
        if self.state is ParentState.INITIALIZATION or self._again or self._call_first:
            self._wanted = epoch
        else:
            self._wanted = None  # an older pass may have waited for a call that was abandoned
            self._say(ParentEvent.START, epoch, plan)

    def give(self, tasks: Any) -> None:
        """Give the worker further tasks of the present pass: tuples, each with its number first."""
        self.given_late = bool(self.inbox.received)
        if self._wanted is not None or not self.given_late:
            self._given += (tasks,)
        else:
            self._given = ()  # no fallback can happen any more, and the tasks may be large
        if self._wanted is None and self.allows(ParentEvent.GIVE):
            self._say(ParentEvent.GIVE, content=tasks)

    def take_back(self) -> None:
        """Ask for the tasks that the worker has not begun; see `Inbox.take_returned`."""
        if self.inbox.returned is not None and self.allows(ParentEvent.TAKE_BACK):
            self._say(ParentEvent.TAKE_BACK)

    def stop(self) -> None:
        """Leave the pass."""
        self._wanted, self._given = None, ()
        if self.allows(ParentEvent.STOP):
            self._say(ParentEvent.STOP)
        # This is done even if the worker has finished: items that have arrived may hold memory.
        self._discard()
        self._opened, self.over = False, True

    def ask(self, token: Any, method: str | None) -> None:
        """Call a method as soon as the worker stands by. Only one call at a time is made."""
        self.call, self.method, self._call_is_said = token, method, False
        self.waits_since = None
        self._say_call()

    def call_again(self, tokens: Sequence[Any]) -> None:
        """Repeat calls that an earlier worker has answered, as soon as this one stands by.

        Nobody waits for the answers. The pass and the user's own calls come after them.
        """
        self._again = ()
        for token in reversed(tokens):
            self._again = token, self._again

    def give_up_call(self, token: Any) -> None:
        """Record that nobody waits for the answer to a call any more."""
        if self.call is token:
            self.call = self.method = None

    def tell_length(self, length: int | None) -> None:
        """Record the length of the iterable, which came with an answer."""
        self.length = length

    def ask_for_stack(self, token: Any) -> None:
        """Ask where the worker's threads are."""
        self._stacks += (token,)
        self._say(ParentEvent.ASK_FOR_STACK)

    def close(self) -> None:
        """End the conversation, since the user closes it."""
        self._end_pass(Ending(CLOSED))
        self._discard()
        self._hang_up()

    # What happens ---------------------------------------------------------------------------

    def receive(self, frame: Any, failure: Any = None) -> None:
        """Handle a frame. `failure` is the failure that it carries, as it was read for the user.

        Raises:
            ProtocolError: the frame may not come now.
        """
        if self.state is ParentState.DONE and frame.kind != Status.RECORDS_EMITTED:
            return
        status = self.hear(frame.kind, frame.epoch)
        if status is Status.RECORDS_EMITTED:  # whatever else is going on
            self.effects += (Log(frame.body),)
            return
        if status is Status.STACK_REPORTED:  # the listener sends it, whatever user code does
            self._take_stack(frame)
            return
        self.waits_since = None
        if status is Status.ITERATION_STARTED:
            self.continued = frame.body == CONTINUED
        elif status is Status.ITERATION_FINISHED:
            self.used_up = frame.body == EXHAUSTED
            self.without_item, self._inherited = 0, None  # it has made progress, without an item
            self._end_pass(None)
        elif status is Status.PROGRESS_REPORTED:
            self.inbox.take_progress(frame.body)
        elif status is Status.TASKS_RETURNED:
            self._take_returned(frame.body)
        else:
            self._take_of_worker(status, frame, failure)
        if self.state is ParentState.STAND_BY:
            self._go_ahead()

    def receive_items(self, frames: deque[Any]) -> None:
        """Move the leading frames of items to the inbox. This steps the core itself, and no copy.

        Only frames of the present pass are moved, and only while it runs. As moving a frame is a
        single step, no lock is needed, but one thread at a time may call this. If another thread
        ends the pass meanwhile, its inbox is cleared, here at the latest.
        """
        inbox = self.inbox
        while frames and self.state is ParentState.ITERATION:
            frame = frames[0]
            if frame.kind != _ITEMS or frame.epoch != self.epoch:
                break
            inbox.take_from(frames)
            self.waits_since = None
            if inbox.cleared:
                inbox.frames.clear()

    def lose(self, status: Any, cause: str = DIED) -> None:
        """Handle the end of the worker. `status` tells how it ended."""
        if not self.done:
            ending = self._ending(cause, status) if self.grace is None else self._ending(TIMED_OUT)
            self.act(ParentEvent.WORKER_LOST)
            self._fail(ending, End(kill=False))

    def fail(self, cause: str, detail: Any, *, kill: bool = True) -> None:
        """Fail the conversation for a reason on this side: the worker is of no use any more."""
        if self.failure is None:
            self._fail(self._ending(cause, detail), End(kill=kill))

    def expire(self, now: float) -> None:
        """If the deadline has passed, ask the worker for its stacks; after the grace time, fail."""
        if (deadline := self.deadline) is None or now < deadline:
            return
        if self.grace is None:
            self._passed, self.grace = self._next_limit()[1], now + STACK_SECONDS
            self.take_back()  # first: tasks that it begins before its end would be run twice
            self.ask_for_stack(None)
        else:
            self._fail(self._ending(TIMED_OUT), End(kill=True))

    def sleep_through(self, seconds: float, before: float = float("inf")) -> None:
        """Shift start times up to `before` by the seconds for which this process was stopped."""
        since = self.launched, self.waits_since, self.task_since
        self.launched, self.waits_since, self.task_since = [
            moment if moment is None or moment > before else moment + seconds for moment in since
        ]
        if self.grace is not None:
            self.grace += seconds

    def hand_over(self, successor: ParentCore) -> None:
        """Let another worker do what this one was asked for. The user has got nothing from it."""
        if self.opened:  # even if all items have arrived: they are dropped with this worker
            successor.start(self._wanted or self.epoch, self._plan, self.inbox.delivery)
            successor._given = self._given
        if self.call is not None:
            successor.ask(self.call, self.method)
        tokens = [token for token in self._stacks if token is not None]
        self.effects += tuple(Fail(token, Ending(CLOSED)) for token in tokens)
        self._discard(with_delivery=False)

    # ----------------------------------------------------------------------------------------

    def _say(
        self, event: ParentEvent, epoch: int = 0, content: Any = None, token: Any = None
    ) -> None:
        for cmd, of in self.act(event, epoch):
            self.effects += (Send(cmd, of, token, None if cmd is Cmd.STOP_ITERATION else content),)

    def _say_call(self) -> None:
        """If a call waits for the worker to stand by, and it does, send the call."""
        waits = self.call is not None and not (self._call_is_said or self._again)
        if waits and self.allows(ParentEvent.CALL):
            self._call_is_said = True
            self._say(ParentEvent.CALL, token=self.call)

    def _take_of_worker(self, status: Status | None, frame: Any, failure: Any) -> None:
        """Handle a status that is about no pass, or that ends the worker."""
        if status is Status.INITIALIZATION_SUCCEEDED:
            self._take_ready(frame.body)
        elif status in _ANSWERS:
            self._take_answer(frame, failure)
        elif status in WITH_FAILURE:
            self._fail(self._ending(FAILED, failure), End(kill=False))
        elif status is Status.UNEXPECTED_CMD_RECEIVED:
            self._fail(self._ending(REFUSED), End(kill=False))

    def _take_ready(self, body: bytes | bytearray) -> None:
        if body and not (body.isdigit() and len(body) <= _LENGTH_DIGITS):
            raise ProtocolError("the worker sent a length that is no number")
        if not self._again:  # else the repeated calls may change the length: keep the earlier one
            self.length = int(body) if body else None

    def _go_ahead(self) -> None:
        """Send what was kept until the worker stands by, which it does now."""
        wanted = self._wanted
        if self._again:
            self._say(ParentEvent.CALL, token=self._again[0])
        elif wanted is not None:
            if self._call_first:
                self._say_call()
            self._wanted = None
            self._say(ParentEvent.START, wanted, self._plan)
            for tasks in self._given:
                self._say(ParentEvent.GIVE, content=tasks)
        else:
            self._say_call()

    def _take_returned(self, body: bytes | bytearray) -> None:
        gone = self.inbox.take_returned(body)
        left = [tuple([each for each in of if each[0] not in gone]) for of in self._given]
        self._given = tuple(left)

    def _take_answer(self, frame: Any, failure: Any) -> None:
        if self._again:
            made, self._again = self._again
            if failure is not None:  # the iterable is not in the state that these calls gave it
                ending = self._ending(FAILED, failure)._replace(method=made.method)
                self._fail(ending, End(kill=True))
            return
        if not self._call_is_said:
            return  # this answers an abandoned call: the present one is not sent yet
        self.without_item, self._inherited = 0, None
        if self.call is not None and failure is None:
            self.effects += (Answer(self.call, frame),)
        elif self.call is not None:
            self.effects += (Fail(self.call, self._ending(FAILED, failure)),)
        self.call = self.method = None

    def _take_stack(self, frame: Any) -> None:
        if not self._stacks:
            return
        token, self._stacks = self._stacks[0], self._stacks[1:]
        if token is not None:
            self.effects += (Answer(token, frame),)
        elif self.grace is not None:
            self._fail(self._ending(TIMED_OUT, frame), End(kill=True))

    def _ending(self, cause: str, detail: Any = None) -> Ending:
        without_input = self.without_input + 1 if self.begun == 0 else 0
        without_item = self.without_item + 1 if self.inbox.received == self._inherited else 0
        where = self.public_state, self.last_index
        return Ending(cause, *where, detail, self.method, without_input, without_item, self._passed)

    def _fail(self, ending: Ending, end: End) -> None:
        """End the conversation by a failure. Items that have arrived can still be taken."""
        self.failure, self.grace = ending, None
        self._end_pass(ending)
        self._hang_up()
        self.effects += (end,)

    def _hang_up(self) -> None:
        self._say(ParentEvent.CLOSE)  # this sends nothing if the conversation is over
        ending = self.failure or Ending(CLOSED)
        tokens = [token for token in (self.call, *self._stacks) if token is not None]
        self.effects += tuple(Fail(token, ending) for token in tokens)
        self.call = self.method = self._wanted = self.grace = None
        self._stacks = ()

    def _end_pass(self, ending: Ending | None) -> None:
        """End the present pass: nothing more of it arrives."""
        if not self.over or (self.ending is None and ending is not None and ending.cause == CLOSED):
            # The iterable may be closed after the worker has finished the pass, but before the loop
            # has taken the last item. The loop must then not end as if it had taken all.
            self.ending = ending
        self.over = True

    def _discard(self, *, with_delivery: bool = True) -> None:
        """Drop the items of the present pass that have arrived and were not taken."""
        if self.opened or self.inbox.frames:
            self.effects += (Drop(self.inbox, with_delivery),)
