"""RemoteIterable: what the user iterates on."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, overload

from . import closing, next_pass, starting
from .calls import ask_for_stacks, call_method
from .checks import check_callable, count, flag
from .client import Client
from .options import Options
from .results import begin_loop, begun_results

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Literal

    from typing_extensions import Self

    from .async_results import Results
    from .stats import Stats

R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class RemoteIterable(Generic[T_co]):
    """An iterable that lives in a worker.

    Every ``iter()`` begins a fresh pass over the same worker. One pass is open at a time: a newer
    one supersedes it, and its iterator then raises `PassSupersededError`. Leaving a loop stops the
    worker; the next pass finds it ready. Any thread may use it. An iterator is for one thread at a
    time, as generators are: if two threads call ``next()`` at once, one of them gets a ValueError.

    The worker ends with `close`, at the end of a ``with`` block, when the iterable is dropped,
    after a failure, and with the process.

    Example:
        >>> from functools import partial
        >>> from farside import iterate_in_subprocess
        >>> with iterate_in_subprocess(partial(range, 3)) as numbers:
        ...     list(numbers), list(numbers)
        ([0, 1, 2], [0, 1, 2])
    """

    def __init__(self, *options: Options, sequence: Any = None) -> None:
        """Start the workers and wait until they stand by. Users call the entry points instead."""
        if {*map(type, options)} != {Options}:
            raise TypeError(
                f"a {type(self).__name__} is not made by its class; call iterate_in_worker, or "
                "another function of farside that returns one"
            )
        client = Client(*options, sequence=sequence)
        starting.start(client)
        self._current = client  # only now: `start` closes a client that it cannot start

    @property
    def backend(self) -> str:
        """Name of the backend that runs the worker, such as ``"subprocess"``."""
        return self._current.members[0].backend

    @property
    def backend_reason(self) -> str:
        """Why this backend was taken."""
        return self._current.reason

    @property
    def seed(self) -> int:
        """The option ``seed``, or the number that was drawn for it; see `get_worker_info`."""
        return self._current.sequence.seed

    @property
    def epoch(self) -> int:
        """The epoch of the next pass: how many passes came before it, also before a resume."""
        client = self._current
        return next_pass.ask(client, client.sequence.epoch)

    def state_dict(self, *, behind: int = 0) -> dict[str, Any]:
        """Return where the loop is, as plain values that JSON can carry.

        It takes microseconds, disturbs nothing, and can be asked for at any time: during a pass,
        after it, after a failure, and after `close`.

        - In a loop: the place after the item that the loop was given last.
        - After the end of a loop: the beginning of the next pass.
        - After a loop was left: that place, until the next ``iter()``.

        Args:
            behind: return the state as it was this many items ago. This is for a program that holds
                back items that it was given and has not used yet.

        Raises:
            ValueError: ``behind`` is negative, or further back than is known: at least the last
                thousand items, of this pass and the one before.
            TypeError: ``behind`` is not a whole number.

        Example:
            >>> from farside import iterate_in_workers
            >>> with iterate_in_workers(range, [2, 3], 2) as numbers:
            ...     iterator = iter(numbers)
            ...     first = [next(iterator), next(iterator), next(iterator)]
            ...     state = numbers.state_dict()
            >>> with iterate_in_workers(range, [2, 3], 1) as numbers:
            ...     numbers.load_state_dict(state)
            ...     first, list(numbers)
            ([0, 0, 1], [1, 2])
        """
        behind = count("behind", behind, "items", 0)
        client = self._current
        return next_pass.ask(client, partial(client.sequence.state, behind=behind))

    def load_state_dict(self, state: dict[str, Any], *, strict: bool = True) -> None:
        """Let the next pass begin where a loop was: with any number of workers, on any machine.

        The seed and ``cycle_length`` are taken from the state; if others were passed, a ValueError
        is raised. The worker makes the items that the loop has had once more, and drops them. So a
        pass must be the same each time.

        Args:
            state: what `state_dict` has returned, or `merge_states`.
            strict: refuse the state of other shards or inputs. False: they may look different now,
                such as paths that have changed. Default: True.

        Raises:
            PassOpenError: an iterator is open.
            TypeError, ValueError: ``state`` is no state, or belongs to something else; the message
                says what differs. Or ``strict`` is not a bool.
            IterableClosedError: the iterable is closed. A failure not yet raised is raised first.
        """
        load = partial(self._current.sequence.load, state, strict=flag("strict", strict))
        next_pass.change(self._current, "load_state_dict", load)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be of this epoch, from its beginning.

        Each pass is an epoch of its own, and a loaded state tells which one is next. So this is for
        a program that begins in a later epoch without a state. It changes what `get_worker_info`
        tells, and so ``shuffle_shards`` and random numbers. A ``set_epoch`` of your own iterable is
        not called: see `call`.

        Args:
            epoch: its number, from 0. If `epoch` has this value already, nothing is done or raised.

        Raises:
            PassOpenError: an iterator is open.
            TypeError: it is not a whole number.
            ValueError: it is negative, or a state from the middle of another epoch was loaded.
            IterableClosedError: the iterable is closed. A failure not yet raised is raised first.

        Example:
            >>> from farside import iterate_in_workers
            >>> with iterate_in_workers(range, [1, 2], 2) as numbers:
            ...     numbers.set_epoch(3)
            ...     list(numbers), numbers.epoch
            ([0, 0, 1], 4)
        """
        epoch = count("epoch", epoch, "passes", 0)
        if epoch != self.epoch:
            begin = partial(self._current.sequence.set_epoch, epoch)
            next_pass.change(self._current, "set_epoch", lambda: begin)

    @property
    def state(
        self,
    ) -> Literal["initialization", "call", "stopping", "iteration", "stand by", "closed"]:
        """What the worker does.

        ``"initialization"``, ``"stand by"`` (it waits for a loop or a call), ``"iteration"``,
        ``"stopping"`` (a loop was left, and the worker has not confirmed it), ``"call"`` or
        ``"closed"``. Of several workers: the first that holds for any of them, in the order of the
        type.
        """
        return self._current.public_state

    def wait_ready(self) -> None:
        """Wait until the worker stands by. It does so already, unless ``wait=False`` was given.

        Raises:
            FarsideError: it could not be started, has failed, died, or took too long.
            IterableClosedError: the iterable is closed. The cause is a failure, if there was one.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 3), wait=False) as numbers:
            ...     numbers.wait_ready()
            ...     numbers.state
            'stand by'
        """
        client = self._current
        client.check_home()
        client.wait(starting.ready(client))
        client.check_ready()

    async def ready(self) -> None:
        """Wait until the worker stands by, as `wait_ready` does, without blocking the event loop.

        Raises:
            FarsideError: it could not be started, has failed, died, or took too long.
            IterableClosedError: the iterable is closed. The cause is a failure, if there was one.
        """
        from .aio import AsyncWait  # not everybody needs it

        client = self._current
        client.check_home()
        await AsyncWait(client).until(starting.ready(client))
        client.check_ready()

    def __iter__(self) -> Generator[T_co, None, None]:  # noqa: PYI058  it can be closed
        """Begin a pass.

        The worker begins at once, and works ahead as far as ``buffer_size`` allows.

        Returns:
            An iterator over what the remote iterable yields. Closing or dropping it stops the
            pass.

        Raises:
            FarsideError: the worker has failed since the latest loop.
            IterableClosedError: the iterable is closed. The cause is a failure, if there was one.
        """
        return begin_loop(self._current, self, begun_results)

    @overload
    def in_thread(self, prepare: None = None, *, ahead: int = 2) -> Generator[T_co, None, None]: ...

    @overload
    def in_thread(
        self, prepare: Callable[[T_co], R], *, ahead: int = 2
    ) -> Generator[R, None, None]: ...

    def in_thread(
        self, prepare: Callable[[T_co], Any] | None = None, *, ahead: int = 2
    ) -> Generator[Any, None, None]:
        """Begin a pass, as ``iter()`` does, and let a thread take its items ahead of the loop.

        The thread waits for the workers, and maps, copies and unpickles what they send. It can also
        copy items to an accelerator, by ``prepare``. So the loop's own thread has little to do for
        a large item. Many small items take longer than without a thread.

        Order, errors and `state_dict` are those of a plain loop: the state tells where the loop is,
        not the thread. But a failure that the thread has met counts, even if the loop is left
        before. The inputs of a map are taken in the thread.

        Args:
            prepare: called with each item, in the thread. The loop gets what it returns. What it
                raises ends the pass. Default: the loop gets the item.
            ahead: how many items may be ready for the loop, beside those that ``buffer_size``
                allows: 1 to 500. Default: 2.

        Raises:
            FarsideError: the worker has failed since the latest loop.
            IterableClosedError: the iterable is closed. The cause is a failure, if there was one.
            TypeError, ValueError: an argument is wrong; the message says which, and what to pass.
            RuntimeError: no thread can be started.

        Example:
            >>> from farside import iterate_in_workers
            >>> with iterate_in_workers(range, [2, 3], 2) as numbers:
            ...     list(numbers.in_thread()), list(numbers.in_thread(str))
            ([0, 0, 1, 1, 2], ['0', '0', '1', '1', '2'])
        """
        from .in_thread import MOST, begun_in_thread  # not everybody needs it

        if prepare is not None:
            check_callable("prepare", prepare, "a function that takes an item")
        most = count("ahead", ahead, "items", 1, MOST)
        make = partial(begun_in_thread, prepare=prepare, most=most)
        return begin_loop(self._current, self, make)

    def __len__(self) -> int:
        """Return the length that the remote iterable has reported.

        That is its length after the latest `call` that has returned, or else when it was made. It
        is known in this process, so asking never waits and disturbs no pass.

        Raises:
            TypeError: it has no length, or could not tell.
        """
        client = self._current
        length = client.sequence.length(client.core.workers[0].length)
        if length is not None:
            return length
        reason = "its items are counted only as they come"
        if client.core.starting and not client.foreign_to:
            reason = "the worker has yet to start; call wait_ready() first"
        elif client.sequence.kind == "iterable":
            reason = "what fn returns has none"
        elif client.sequence.kind == "shards":
            reason += "; pass length, if you know it"
        raise TypeError(f"this {type(self).__name__} has no len(): {reason}; a list of it has one")

    def __bool__(self) -> bool:
        """Return True, whatever the length: this is a worker."""
        return True

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the remote iterable, between two passes, and wait for what it returns.

        When a loop was left early, this waits until the worker stands by. ``timeout`` applies, and
        `close` in another thread ends the wait. A call that fails does not end the worker.

        Args:
            method: name of a method of what ``fn`` returned, such as ``"set_epoch"`` or
                ``"__len__"``; with `iterate_in_workers` and `map_in_workers`, of what ``setup``
                returned. An attribute is read with ``call("__getattribute__", name)``.
            args: what to pass; it is pickled.
            kwargs: what to pass by name; it is pickled.

        Returns:
            What the method returns. It is pickled as items are; large arrays lie in shared memory.
            `iterate_in_workers` and `map_in_workers` return a list, with one result of each worker.

        Raises:
            PassOpenError: an iterator is open; take it to its end, leave the loop, or close it.
            CallFailedError: the method has failed, or there is none of this name. The error is also
                of the original type: an AttributeError if there is no such method.
            NotPicklableError: the arguments or the result cannot be pickled.
            WorkerTimeoutError: it did not return in time, and the worker was ended.
            WorkerDiedError: the worker has died meanwhile.
            IterableClosedError: the iterable is closed. A failure not yet raised is raised first.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 10)) as numbers:
            ...     numbers.call("index", 7), len(numbers)
            (7, 10)
        """
        return call_method(self._current, method, args, kwargs)

    def dump_stack(self) -> str:
        """Return the stacks of the worker's threads, as text, whatever it is doing just now.

        It takes milliseconds, or half a second when the worker does not answer; the text then says
        so. Any thread may ask, also while another one waits for an item.

        Raises:
            IterableClosedError: the iterable is closed. A failure not yet raised is raised first.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 10)) as numbers:
            ...     "the thread that runs the iterable" in numbers.dump_stack()
            True
        """
        client = self._current
        texts = []
        for member, stack in zip(client.members, ask_for_stacks(client), strict=True):
            if stack is None:
                texts.append(f"the {member.name}: {member.no_stack}")
            else:
                texts.append(f"the {member.name}:\n{stack}" if client.sequence.several else stack)
        return "\n".join(texts)

    def __aiter__(self) -> Results[T_co]:
        """Begin a pass, for ``async for``: on asyncio or trio, whichever runs.

        As `__iter__`, but waiting does not block the event loop. No thread is used, and items that
        have arrived are handed out without a turn of the loop; a loop that never has to wait gives
        the other tasks a turn about every millisecond.

        A task that is cancelled while it waits loses no item: ``anext()`` goes on with the pass.
        The pass is stopped as soon as the iterator is dropped, or by its ``aclose()``.

        Returns:
            An async iterator over what the remote iterable yields, for one task at a time.

        Raises:
            FarsideError: the worker has failed since the latest loop.
            IterableClosedError: the iterable is closed. The cause is a failure, if there was one.

        Example:
            >>> import asyncio
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> async def main():
            ...     async with iterate_in_subprocess(partial(range, 3)) as numbers:
            ...         return [number async for number in numbers]
            >>> asyncio.run(main())
            [0, 1, 2]
        """
        from .async_results import AsyncResults  # not everybody needs it

        return begin_loop(self._current, self, AsyncResults, awaits=True)

    def stats(self) -> Stats:
        """Return figures of the worker: where the time goes, and how full the buffer is.

        Any thread may ask at any time, during a pass too. It costs some microseconds. After the end
        of the worker, the figures stay as they were last. After a fallback has taken over, they are
        those of the present worker.

        Example:
            >>> from functools import partial
            >>> from farside import iterate_in_subprocess
            >>> with iterate_in_subprocess(partial(range, 1000)) as numbers:
            ...     total = sum(numbers)
            >>> stats = numbers.stats()
            >>> stats.items, stats.passes
            (1000, 1)
        """
        from .stats import collect  # not everybody needs it

        return collect(self._current)

    def close(self) -> None:
        """End the worker and wait for it, ``shutdown_timeout`` seconds at most.

        The worker is asked first; a process is sent SIGTERM and then SIGKILL if it does not
        end. A subinterpreter that is blocked in C code cannot be ended: it is left behind with
        a `WorkerAbandonedWarning`, and each further one adds a quarter of the time. Closing twice
        is fine.
        """
        self._end(kill=False)

    def terminate(self) -> None:
        """End the worker without asking it first, and wait for it.

        A process is killed. A subinterpreter cannot be killed, so for it this is `close`.
        """
        self._end(kill=True)

    async def aclose(self) -> None:
        """End the worker and wait for it, as `close` does, without blocking the event loop.

        A task that is cancelled meanwhile is cancelled after the worker has ended, so within
        ``shutdown_timeout`` seconds.
        """
        if not self._is_late():
            closing.tell_of_end(self._current, await closing.aclose(self._current))

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Wait until the worker stands by, without blocking the event loop: see `ready`."""
        try:
            await self.ready()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close, without blocking the event loop: see `aclose`."""
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: there is one worker, and it belongs to this process."""
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled, since it holds a worker of this "
            "process; make one in each process that needs one"
        )

    def __del__(self) -> None:
        client = getattr(self, "_current", None)
        if client is not None:
            client.abandon()

    def __repr__(self) -> str:
        """Show backend, worker and state."""
        client = self._current
        given, member = client.options.name, client.members[0]
        if given is not None and client.sequence.several:
            given = given.rpartition("-")[0]  # without the number of the worker
        name = "" if given is None else f"name={given!r} "
        worker = f"worker={member.label!r}"
        if client.sequence.several:
            worker = f"workers={len(client.members)}"
        return (
            f"<{type(self).__name__} {name}backend={member.backend!r} {worker} "
            f"state={self.state!r}>"
        )

    # Held here: late in the exit, Python may have cleared the modules that have what is needed.
    _is_late = staticmethod(sys.is_finalizing)

    def _end(self, *, kill: bool) -> None:
        if not self._is_late():  # else all have ended that can be ended
            closing.tell_of_end(self._current, closing.close(self._current, kill=kill))


class SubprocessIterable(RemoteIterable[T_co]):
    """What `iterate_in_subprocess` returns."""


class SubinterpreterIterable(RemoteIterable[T_co]):
    """What `iterate_in_subinterpreter` returns.

    Its `backend` is ``"subprocess"`` when the fallback has taken over.
    """
