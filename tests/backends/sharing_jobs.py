"""What a worker does with each kind of object of multiprocessing, and how its parent sees that."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SECONDS = 20


def get_and_put(queue: Any) -> list[Any]:
    """Answer a message through the queue that it came by."""
    got = queue.get()
    queue.put(got + 1)
    return [got]


def put_before(queue: Any) -> None:
    queue.put(1)


def get_after(queue: Any) -> None:
    assert queue.get() == 2


def finish_task(queue: Any) -> list[Any]:
    """Take a message, and say that it is dealt with."""
    got = queue.get()
    queue.task_done()
    return [got]


def joined(queue: Any) -> None:
    queue.join()


def try_to_acquire(lock: Any) -> list[bool]:
    """Find a lock held, and tell whether it is held."""
    return [lock.acquire(timeout=0)]


def acquire_before(lock: Any) -> None:
    assert lock.acquire(timeout=SECONDS)


def release_after(lock: Any) -> None:
    lock.release()


def acquire_in_worker(lock: Any) -> list[bool]:
    """Take the lock and keep it."""
    return [lock.acquire(timeout=SECONDS)]


def held_after(lock: Any) -> None:
    assert not lock.acquire(timeout=0)
    lock.release()  # a semaphore, or an unowned lock, may be released by anybody


def set_event(event: Any) -> list[bool]:
    """Set an event that the parent has not set."""
    before = event.is_set()
    event.set()
    return [before]


def is_set_after(event: Any) -> None:
    assert event.wait(SECONDS)
    event.clear()


def use_condition(condition: Any) -> list[bool]:
    """Use a condition as the lock that it has."""
    with condition:
        condition.notify_all()
    return [True]


def pass_barrier(barrier: Any) -> list[int]:
    """Wait at a barrier for one."""
    return [barrier.wait(SECONDS)]


def count_up(value: Any) -> list[int]:
    """Add to a number."""
    value.value += 1
    return [value.value]


def counted_after(value: Any) -> None:
    assert value.value == 1
    value.value = 0


def fill(array: Any) -> list[int]:
    """Write to an array."""
    array[1] = 7
    return list(array)


def filled_after(array: Any) -> None:
    assert list(array) == [0, 7, 0]
    array[1] = 0


def answer(connection: Any) -> list[str]:
    """Answer a message."""
    got = connection.recv()
    connection.send(got + got)
    return [got]


def say_before(ends: Any) -> None:
    ends[1].send("ha")


def heard_after(ends: Any) -> None:
    assert ends[1].recv() == "haha"


def answer_by_socket(end: socket.socket) -> list[bytes]:
    """Answer a message."""
    with end:
        got = end.recv(10)
        end.sendall(got + got)
    return [got]


def say_by_socket(ends: Any) -> None:
    ends[1].sendall(b"ha")


def heard_by_socket(ends: Any) -> None:
    assert ends[1].recv(10) == b"haha"


def nothing(_: Any) -> None:
    pass


class Use(NamedTuple):
    """One kind of object, and what is done with it."""

    make: Callable[[Any], Any]
    """By a context."""
    work: Callable[[Any], Iterable[Any]]
    """In the worker, as fn."""
    items: list[Any]
    """What that comes to."""
    before: Callable[[Any], None] = nothing
    after: Callable[[Any], None] = nothing
    """In the parent."""
    given: Callable[[Any], Any] = lambda made: made
    """What the worker is given of what was made."""


USES = {
    "Queue": Use(lambda c: c.Queue(), get_and_put, [1], put_before, get_after),
    "SimpleQueue": Use(lambda c: c.SimpleQueue(), get_and_put, [1], put_before, get_after),
    "JoinableQueue": Use(lambda c: c.JoinableQueue(), finish_task, [1], put_before, joined),
    "Lock held by the parent": Use(
        lambda c: c.Lock(), try_to_acquire, [False], acquire_before, release_after
    ),
    "Lock held by the worker": Use(lambda c: c.Lock(), acquire_in_worker, [True], after=held_after),
    "RLock": Use(lambda c: c.RLock(), try_to_acquire, [False], acquire_before, release_after),
    "Event": Use(lambda c: c.Event(), set_event, [False], after=is_set_after),
    "Condition": Use(lambda c: c.Condition(), use_condition, [True]),
    "Semaphore": Use(lambda c: c.Semaphore(1), acquire_in_worker, [True], after=held_after),
    "BoundedSemaphore": Use(
        lambda c: c.BoundedSemaphore(1), acquire_in_worker, [True], after=held_after
    ),
    "Barrier": Use(lambda c: c.Barrier(1), pass_barrier, [0]),
    "Value": Use(lambda c: c.Value("i", 0), count_up, [1], after=counted_after),
    "Array": Use(lambda c: c.Array("i", 3), fill, [0, 7, 0], after=filled_after),
    "RawValue": Use(lambda c: c.RawValue("i", 0), count_up, [1], after=counted_after),
    "RawArray": Use(lambda c: c.RawArray("i", 3), fill, [0, 7, 0], after=filled_after),
    "Pipe": Use(lambda c: c.Pipe(), answer, ["ha"], say_before, heard_after, lambda ends: ends[0]),
    "socket": Use(
        lambda _: socket.socketpair(),
        answer_by_socket,
        [b"ha"],
        say_by_socket,
        heard_by_socket,
        lambda ends: ends[0],
    ),
}


def use_all(given: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Do with each object what is to be done with it."""
    for name, each in given.items():
        yield name, list(USES[name].work(each))


def dispose(made: Any) -> None:
    """Close what has to be closed."""
    for each in made if isinstance(made, tuple) else (made,):
        if hasattr(each, "close"):
            each.close()
        if hasattr(each, "join_thread"):
            each.join_thread()
