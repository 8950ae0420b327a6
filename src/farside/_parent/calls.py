"""Asks workers for other things than items: calls of the iterable's methods, and stacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .._link.frames import Frame
from .._memory.parts import Part
from .._payload import handlers, pickling
from .._payload.decoder import decode
from .._payload.items import unpack
from .._payload.one_line import one_line
from .._payload.remote_errors import read_stack
from .._protocol.effects import BROKEN, Ending
from .._protocol.group import GroupCore
from .._protocol.recovery import STACK_SECONDS
from ..errors import NotPicklableError, ProtocolError
from . import messages_for_people, not_sent
from .deadline import When

if TYPE_CHECKING:
    from .client import Client
    from .member import Member


class Question:
    """A request to a worker, and its outcome."""

    __slots__ = ("answer", "ending", "method", "parts")

    def __init__(self, parts: Sequence[Part] = (), method: str | None = None) -> None:
        self.parts, self.method = parts, method
        self.answer: Frame | None = None  # once it has arrived
        self.ending: Ending | None = None  # why none will arrive


def _unanswered(questions: Sequence[Question]) -> list[int]:
    outcomes = [each.answer or each.ending for each in questions]
    return [index for index, outcome in enumerate(outcomes) if outcome is None]


def call_method(
    client: Client, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:  # it is whatever the method returns
    """Call a method of the object that each worker has made; see `RemoteIterable.call`."""
    client.check_home()
    client.check_not_stepping()
    parts = _pack(client, method, args, kwargs)
    questions = [Question(parts) for _ in client.members]
    call = questions, Question(parts, method)

    def ask(core: GroupCore) -> bool:
        if core.over or _is_asked(core) or core.opened:
            return False
        if client.calling is not call:
            _end(core, client, client.calling)  # the thread of that call has not done so yet
            client.calling = call  # before any answer can come
        for worker, question in zip(core.workers, questions, strict=True):
            worker.ask(question, method)
        return True

    while not client.step(ask):
        client.check_open()
        if client.core.opened:
            raise messages_for_people.pass_open(method)
        client.wait(When(lambda: not _is_asked(client.core)))
    try:
        _wait_for_answers(client, questions)
        client.check_home()
    finally:
        client.step(partial(_end, client=client, call=call))
    results = [
        _result(client, member, question.answer, method)
        for question, member in zip(questions, client.members, strict=True)
    ]
    return results if client.sequence.several else results[0]


def _is_asked(core: GroupCore) -> bool:
    """Tell whether a call waits for its answer."""
    return True in [each.call is not None for each in core.workers]


def _wait_for_answers(client: Client, questions: Sequence[Question]) -> None:
    asked = [*client.members]  # one that dies in the call may be replaced at once
    client.wait(When(lambda: not _unanswered(questions), lambda: _unanswered(questions)))
    for question, member in zip(questions, asked, strict=True):
        if question.ending is not None:
            client.end_unmet()  # the call may have ended the worker
            raise client.error(question.ending, member)


def _end(core: GroupCore, client: Client, call: tuple[Sequence[Question], Question] | None) -> None:
    """Record that a call is over, once: another thread may have begun the next one already."""
    if call is None or client.calling is not call:
        return
    questions, again = call
    for worker, question in zip(core.workers, questions, strict=True):
        worker.give_up_call(question)  # after KeyboardInterrupt, nobody waits for the answer
    done = client.options.max_restarts and None not in [each.answer for each in questions]
    if done and client.calls[-1:] != [again]:  # else an exception has struck here before
        client.calls.append(again)
    client.calling = None  # last: a restart meanwhile finds the call in `calling` or in `calls`


def _pack(
    client: Client, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Sequence[Part]:
    if not isinstance(method, str):
        raise TypeError(f"method={method!r} is not a name; pass the name of a method, as a str")
    try:
        parts = pickling.dumps((method, args, kwargs), main_by_value=client.main_by_value)
    except Exception as error:  # __reduce__ is user code
        if handlers.raised(error):
            raise
        raise not_sent.of_arguments(method, args, kwargs, error) from error
    # A copy is kept for restarts, since the arguments may change later.
    return [b"".join(parts)] if client.options.max_restarts else parts


def _result(client: Client, member: Member, frame: Frame | None, method: str) -> Any:
    assert frame is not None
    try:
        result, length = unpack(frame).entries
    except (ProtocolError, ValueError) as error:
        problem = f"an answer to a call that cannot be read: {error}"
        client.give_up(member, BROKEN, problem)
        raise ProtocolError(problem) from error
    client.step(lambda core: core.workers[member.index].tell_length(length))
    try:
        return decode(result, frame.blocks)
    except Exception as error:
        if handlers.raised(error):
            raise
        raise NotPicklableError(
            f"what {method!r} returned in the {member.name} does not unpickle here "
            f"({one_line(error)}); make what it refers to importable in the parent"
        ) from error


def ask_for_stacks(client: Client) -> list[str | None]:
    """Return the stacks of each worker's threads; None for a worker that does not answer."""
    client.check_home()
    questions = [Question() for _ in client.members]

    def ask(core: GroupCore) -> bool:
        if core.over:
            return False
        for worker, question in zip(core.workers, questions, strict=True):
            worker.ask_for_stack(question)
        return True

    if not client.step(ask):
        client.check_open()
    client.wait(When(lambda: not _unanswered(questions)), monotonic() + STACK_SECONDS)
    client.check_home()
    return [*map(partial(_stack, client), client.members, questions)]


def _stack(client: Client, member: Member, question: Question) -> str | None:
    if question.answer is None:
        return None
    try:
        return read_stack(question.answer.body)
    except ProtocolError as error:
        client.fail(member, BROKEN, str(error))  # the next use of the workers raises it
        client.chores.see_to()
        return None
