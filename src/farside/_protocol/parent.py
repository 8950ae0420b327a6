"""The parent's half of the protocol with one worker, without I/O.

What is exchanged: the parent says commands, the worker answers with statuses (`messages`). Which
may follow which is in the table (`parent_machine`). Beside the state, a core knows what its user
still waits for: the items of one pass, the answer to one call, reports of stacks.

What can happen, at any moment: the user begins a pass, leaves it, calls, asks for stacks, closes; a
frame arrives; the worker is gone; time passes. Each is a method here, called an event. An event
changes the core and appends to its ``effects``: what a shell has to do now, in order. A core never
waits, sends, logs or runs user code.

Why it is enough: whoever waits is told. A pass is over, a call is answered or has failed, by one of
these: a status, the end of the worker, a deadline, a failure on this side, or the user; each is an
event. What a user wants before the worker stands by is kept, and said as soon as it does. Statuses
of a pass that was left are dropped: by their epoch, or as long as the worker has not confirmed that
it stops. After DONE nothing is said, and only records are taken in.

A core is a plain value. A shell that may be struck by an exception at any moment steps a copy, and
then puts that in place of the core: so an event has happened or has not. Only the frames of items
are not copied: an inbox belongs to one pass, and to move a frame there is one step.
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
        limits: how long the worker may say nothing.

    Attributes:
        effects: what is to be done, in order; whoever does it takes it away.
        inbox: the items of the present pass that have arrived.
        over: whether nothing more of the present pass will arrive.
        ending: why it is over, if that is not its own end.
        failure: why the conversation is over; None if it is not, or the user has closed it.
        used_up: whether the worker says that an earlier pass had used its iterator up.
        continued: whether it says that an earlier pass has left the iterator in the middle.
        call: the token of the call that waits for its answer; `method` is what it calls.
        length: the length of the iterable, as far as the worker has told.
        launched: when the worker was started, in seconds of a clock; None: it has yet to be.
        waits_since: since when somebody has waited, and nothing came.
        paused: since when nobody waits; None: somebody does, or has not begun.
        latest: free for the shell: the frame that was taken in last.
        begun: which input of a map it has begun, plus one, as last seen; 0: none; None: unknown.
        task_since: since when that input runs. Time in which this process was stopped is added.
        futile: how many workers before it, one after the other, have begun no input of the pass.
        barren: how many before it, one after the other, were started again and have sent no item.
        follows_dead: whether the worker before it has died; None: there was none.
        ready_since: since when it has stood by.
        loss: free for the shell: how the worker before this one has ended, and which it was.
        given_late: whether it was given tasks after the first items of the pass had arrived; None:
            it was given none.
        grace: until when a worker that has run out of time may tell where it is.
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
        self._task_begun: float | None = None  # the same, as it was told
        self.futile = self.barren = 0
        self._inherited: int | None = None  # how many items had arrived before it was started again
        self.follows_dead: bool | None = None
        self.ready_since = 0.0
        self.loss: Any = None
        self._limits = limits
        self._wanted: int | None = None  # the pass to start as soon as the worker stands by
        self._plan: Any = None  # what it is told then
        self._first = 0  # how many items of the pass the loop had before it was resumed
        self._given: tuple[Any, ...] = ()  # tasks, before the pass began, or any item of it came
        self.given_late: bool | None = None
        self._call_is_said = self._call_first = False
        # Calls to make again: the first, which may be under way, and the pair of the others. There
        # may be very many, and a tuple of them all would be copied for each.
        self._again: tuple[Any, ...] = ()
        self._stacks: tuple[Any, ...] = ()  # tokens of who has asked; None for the core itself
        self.grace: float | None = None
        self._passed = ""  # which limit has passed

    def copy(self) -> ParentCore:
        """Return a copy. It shares the inbox."""
        made: ParentCore = object.__new__(type(self))
        made.__dict__ = self.__dict__.copy()  # a step is copied for each event: this is fast
        return made

    # Questions ------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether nothing more can be said."""
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
            return UNKNOWN  # it reads shards, or does inputs
        count = self._first + self.inbox.received
        return count - 1 if count else None

    @property
    def deadline(self) -> float | None:
        """When `expire` has to be called if nothing comes; None: never."""
        return self.grace if self.grace is not None or self.done else self._next_limit()[0]

    def _next_limit(self) -> tuple[float | None, str]:
        """Return when time is up if nothing comes, and which limit that is."""
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
        """Take in that somebody waits for it."""
        paused, self.paused = self.paused, None
        if self.waits_since is None:
            self.waits_since = now
        elif paused is not None:
            self.waits_since += now - paused

    def look_at_task(self, begun: int | None, since: float | None) -> None:
        """Take in which input of a map the worker has begun, and since when that runs."""
        if self._passed == "task_timeout" and begun and begun != self.begun:
            self.grace = None  # the one that has taken too long is done: the worker is spared
        if self.grace is None and not self.done:  # else it is known which has taken too long
            self.begun = begun
            if since != self._task_begun:
                self._task_begun = self.task_since = since

    # What the user wants --------------------------------------------------------------------

    def start(self, epoch: int, plan: Any = None, delivery: Any = None) -> None:
        """Begin a pass; one that is open is superseded.

        Its number is above all before it. The plan is what the worker is told: plain values.
        """
        self._discard()
        self.inbox, self.ending = Inbox(delivery), None
        self._opened, self.over = True, False
        self.used_up = self.continued = False
        self.waits_since = self._inherited = None
        self.futile = self.barren = 0
        resumed = plan is not None and type(plan[-1]) is list  # see `OneIterable._plan`
        self._first = plan[-1][0] if resumed else 0
        self._begin(epoch, plan)

    def succeed(self, before: ParentCore) -> bool:
        """Take the place of a worker that has died: what has arrived from it stays.

        Tell whether there is a pass to go on with: see `go_on`.
        """
        assert before.failure is not None
        self.begun, self._inherited = before.begun, before.inbox.received
        self.futile, self.barren = before.failure.futile, before.failure.barren
        self.inbox, self._opened, self.length = before.inbox, before._opened, before.length
        self._first = before._first
        self.over = before.over and before.ending is None  # it had finished before it died
        return self.opened and not self.over

    def go_on(self, epoch: int, plan: Any) -> None:
        """Go on with a pass that another worker has begun."""
        if self.opened and not self.over:
            self._begin(epoch, plan)

    def _begin(self, epoch: int, plan: Any) -> None:
        self._plan, self._given, self.given_late = plan, (), None
        # In another thread, a call may wait for the end of the pass before: it has come first. And
        # if each pass overtook it, it would wait for as long as they follow one another.
        called = self.call is not None and not self._call_is_said
        self._call_first = called and self.state in _SOON_STANDS_BY
        if self.state is ParentState.INITIALIZATION or self._again or self._call_first:
            self._wanted = epoch
        else:
            self._wanted = None  # one may have waited for a call that was given up since
            self._say(ParentEvent.START, epoch, plan)

    def give(self, tasks: Any) -> None:
        """Give the worker further tasks in the present pass: plain values, first their numbers."""
        self.given_late = bool(self.inbox.received)
        if self._wanted is not None or not self.given_late:
            self._given += (tasks,)
        else:
            self._given = ()  # they may be large, and no other backend takes over any more
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
        # Also when the worker has finished: what has arrived may hold memory.
        self._discard()
        self._opened, self.over = False, True

    def ask(self, token: Any, method: str | None) -> None:
        """Call a method, as soon as the worker stands by. One call at a time is made."""
        self.call, self.method, self._call_is_said = token, method, False
        self.waits_since = None
        self._say_call()

    def call_again(self, tokens: Sequence[Any]) -> None:
        """Make calls that a worker before has answered, as soon as this one stands by.

        Nobody waits for the answers. The pass begins after them, and so do calls of the user.
        """
        self._again = ()
        for token in reversed(tokens):
            self._again = token, self._again

    def give_up_call(self, token: Any) -> None:
        """Take note that nobody waits for the answer to a call any more."""
        if self.call is token:
            self.call = self.method = None

    def tell_length(self, length: int | None) -> None:
        """Take in what came with an answer: the length of the iterable."""
        self.length = length

    def ask_for_stack(self, token: Any) -> None:
        """Ask where the worker's threads are."""
        self._stacks += (token,)
        self._say(ParentEvent.ASK_FOR_STACK)

    def close(self) -> None:
        """End the conversation, since the user wants it."""
        self._end_pass(Ending(CLOSED))
        self._discard()
        self._hang_up()

    # What happens ---------------------------------------------------------------------------

    def receive(self, frame: Any, failure: Any = None) -> None:
        """Take in a frame, and the failure of which it tells, with what that means to the user.

        Raises:
            ProtocolError: it is none that may come now.
        """
        if self.done and frame.kind != Status.RECORDS_EMITTED:
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
            self.barren, self._inherited = 0, None  # it has made progress, without an item
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
        """Move the frames of items at the beginning of some to the inbox, in place, without a copy.

        It takes those of the present pass alone, and only while that goes on. No lock is needed,
        only that one thread at a time does so: to move a frame is one step. If another thread ends
        the pass just then, its inbox is cleared, here at the latest.
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
        """Take in that the worker is gone, and how it has ended."""
        if not self.done:
            ending = self._ending(cause, status) if self.grace is None else self._ending(TIMED_OUT)
            self.act(ParentEvent.WORKER_LOST)
            self._fail(ending, End(kill=False))

    def fail(self, cause: str, detail: Any, *, kill: bool = True) -> None:
        """Take in that the worker is of no use any more, for a reason on this side."""
        if self.failure is None:
            self._fail(self._ending(cause, detail), End(kill=kill))

    def expire(self, now: float) -> None:
        """Take in that the deadline has passed: ask where the worker is, or give it up."""
        if (deadline := self.deadline) is None or now < deadline:
            return
        if self.grace is None:
            self._passed, self.grace = self._next_limit()[1], now + STACK_SECONDS
            self.take_back()  # first: what it begins until it is ended would be run twice
            self.ask_for_stack(None)
        else:
            self._fail(self._ending(TIMED_OUT), End(kill=True))

    def sleep_through(self, seconds: float, before: float = float("inf")) -> None:
        """Take in for how many seconds this process was stopped: what began `before` has them."""
        since = self.launched, self.waits_since, self.task_since
        self.launched, self.waits_since, self.task_since = [
            moment if moment is None or moment > before else moment + seconds for moment in since
        ]
        if self.grace is not None:
            self.grace += seconds

    def hand_over(self, successor: ParentCore) -> None:
        """Let another worker do what this one was asked for; the user has got nothing of it."""
        if self.opened:  # even if all items have arrived: they go with this worker
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
        """Make the call that waits for the worker to stand by, if it does and there is one."""
        waits = self.call is not None and not (self._call_is_said or self._again)
        if waits and self.allows(ParentEvent.CALL):
            self._call_is_said = True
            self._say(ParentEvent.CALL, token=self.call)

    def _take_of_worker(self, status: Status | None, frame: Any, failure: Any) -> None:
        """Take in what is about no pass, or ends the worker."""
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
        if not self._again:  # they may change it; what the worker before has told holds
            self.length = int(body) if body else None

    def _go_ahead(self) -> None:
        """Say what was kept until the worker stands by, which it does now."""
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
            if failure is not None:  # what the iterable was made to be, it is not any more
                ending = self._ending(FAILED, failure)._replace(method=made.method)
                self._fail(ending, End(kill=True))
            return
        if not self._call_is_said:
            return  # to an earlier call, that was given up; the present one has yet to be made
        self.barren, self._inherited = 0, None
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
        futile = self.futile + 1 if self.begun == 0 else 0
        barren = self.barren + 1 if self.inbox.received == self._inherited else 0
        where = self.public_state, self.last_index
        return Ending(cause, *where, detail, self.method, futile, barren, self._passed)

    def _fail(self, ending: Ending, end: End) -> None:
        """Take in that the worker has ended, or has to; what has arrived can still be taken."""
        self.failure, self.grace = ending, None
        self._end_pass(ending)
        self._hang_up()
        self.effects += (end,)

    def _hang_up(self) -> None:
        self._say(ParentEvent.CLOSE)  # nothing, if it is done
        ending = self.failure or Ending(CLOSED)
        tokens = [token for token in (self.call, *self._stacks) if token is not None]
        self.effects += tuple(Fail(token, ending) for token in tokens)
        self.call = self.method = self._wanted = self.grace = None
        self._stacks = ()

    def _end_pass(self, ending: Ending | None) -> None:
        """Let nothing more of the present pass arrive."""
        if not self.over or (self.ending is None and ending is not None and ending.cause == CLOSED):
            # A pass that its worker has finished may be closed before the last item was taken. For
            # its user it must not end as if all items had been.
            self.ending = ending
        self.over = True

    def _discard(self, *, with_delivery: bool = True) -> None:
        """Drop what has arrived of the present pass and was not taken."""
        if self.opened or self.inbox.frames:
            self.effects += (Drop(self.inbox, with_delivery),)
