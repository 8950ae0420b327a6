"""Reports and changes what the next pass is: `state_dict`, `load_state_dict`, `set_epoch`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from .._system.signals import defer_signals
from .messages_for_people import pass_open

if TYPE_CHECKING:
    from .client import Client

T = TypeVar("T")


def ask(client: Client, question: Callable[[int], T]) -> T:
    """Call `question` with the number of passes begun; return the answer. Any thread may do so."""
    # If another thread has begun or changed a pass meanwhile, the answer may be half of the old
    # and half of the new, so the question is asked again. No lock is held, as it may run user code.
    sequence = client.sequence
    while True:
        begun, stamp = client.core.epoch, sequence.stamp
        answer = question(begun)
        if begun == client.core.epoch and stamp is sequence.stamp:
            return answer


def change(client: Client, method: str, look: Callable[[], Callable[[int], object]]) -> None:
    """Change the next pass: call the function that `look` returns with the number of passes begun.

    `look` may take long, and raises if the change is not possible.
    """
    client.check_home()
    client.check_not_stepping()
    client.check_open()
    if client.step(lambda core: core.opened):
        raise pass_open(method)
    found = look()

    def work() -> None:
        if client.core.opened:  # another thread has begun one since the check above
            raise pass_open(method)
        found(client.core.epoch)

    # With the lock: else another thread might begin a pass in the middle.
    defer_signals(partial(client.change, work))
