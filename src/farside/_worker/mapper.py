"""Runs a function over inputs, which the parent gives while the pass runs."""

from __future__ import annotations

import time
from itertools import chain

from .._in_c import deque, length_hint, partial
from .._link.control import begin_batch
from .._payload.decoder import decode
from .._payload.items import Mark
from .._protocol.order import shard_seed
from .iterables import begun_once, close_generators, is_iterable, or_awaited
from .passing import pass_over
from .tasks import Tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .._payload.worker_info import Task

_END = (Mark(),)


class Mapper(Tasks):
    """Calls a function with one input after the other.

    It is pickled as a function without arguments, which the worker calls. `setup` makes the first
    argument of `function`. With `flat`, `function` returns an iterable, whose elements are the
    results. With `timed`, the parent has to know when an input was begun. With `one_by_one`, each
    result is sent before the next input is begun.
    """

    stage = "function"
    pickle_stage = "output"

    def __init__(
        self,
        function: Callable[..., Any],
        setup: Callable[[], Any] | None = None,
        *,
        flat: bool = False,
        timed: bool = False,
        one_by_one: bool = False,
    ) -> None:
        self._given = function, setup, flat, timed, one_by_one

    def named(self) -> list[tuple[str, Any]]:
        function, setup, *_ = self._given
        return [("function", function), ("setup", setup)]

    def __repr__(self) -> str:
        return repr(self._given[0])

    def __call__(self) -> Mapper:
        """Set up, in the worker, what lasts from pass to pass."""
        self.function, setup, flat, self.timed, self.one_by_one = self._given
        self.calls = not flat
        if self.one_by_one:
            self.pickle_stage = "task"
        if setup is not None:
            self.made = setup()
            self.function = partial(self.function, self.made)
        self._waiting: deque[tuple[int, int, bool, list[Any]]] = deque()
        self._open: Any = None  # the iterator of a flat input
        self._answered = 0  # how many flat inputs of this pass are done
        self._taken = self._length = 0  # inputs of earlier batches of this pass, and of this batch
        self._begin_batch(0, [], plain=True)
        self._epoch = self._seed = self._skip = 0
        self._total: int | None = None
        return self

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:
        self._total, self.replaceable = plan
        self._epoch, self._seed = epoch, seed
        self._taken, self._answered = -self._length, 0
        return self.items_left()

    def add(self, tasks: Any) -> None:
        self.out_of_tasks = False
        self._waiting.extend(tasks)

    def take_back(self) -> list[Any]:
        tasks: list[Any] = []
        while True:
            try:
                tasks.append(self._waiting.pop())  # one call: no other thread gets it too
            except IndexError:
                return tasks

    def items_left(self) -> Iterator[Any]:
        """Return an iterator over the results of the inputs left, also after one has failed."""
        return chain.from_iterable(() if self.calls else self._flat_results())

    def leave(self, made: int = 0) -> None:  # noqa: ARG002  see `Tasks`
        opened, self._open = self._open, None
        self.run_clock(False)
        self._waiting.clear()
        self._begin_batch(self._next(), [], plain=True)
        close_generators((opened,))

    def where(self) -> Task:
        index = self._next() - 1
        return index, self._total, shard_seed(self._seed, self._epoch, max(index, 0))

    def _next(self) -> int:
        """Return the index of the input after the one that was begun last."""
        return self._first + self._length - length_hint(self._walk)

    def failed_alone(self, made: int) -> int | None:
        if self._begun() <= (made if self.calls else self._answered):
            return None  # a signal handler has raised the error between two inputs
        self._skip = 0  # it was for the input that has failed
        self._answered = self._begun()
        self.stage = Mapper.stage
        return self.where()[0]

    def _begun(self) -> int:
        """Return how many inputs of the pass were begun."""
        return self._taken + self._next() - self._first

    def run_clock(self, on: bool) -> None:  # noqa: FBT001  it starts or stops
        if self.timed:
            self.begun[1] = time.monotonic_ns() if on and not self.calls else 0

    def next_batch(self, made: int) -> Iterator[Any] | None:
        """Return the rest of the batch, or the next, after `made` items; None: no task is left."""
        while not length_hint(self._walk):
            try:
                first, self._skip, plain, entries = self._waiting.popleft()
            except IndexError:
                self.out_of_tasks = True
                return None
            self._begin_batch(first, entries, plain=plain)
            if self._skip:
                self.skips.expect(self._skip)
        if self.timed:
            self.begun[1] = 0
        begin_batch(self.begun, self.number, self._next(), made)
        return self._walk

    def _flat_results(self) -> Iterator[Any]:
        function, load = self.function, self.load
        try:
            while True:  # see `loops`
                inputs = self.next_batch(self._answered)
                if inputs is None:
                    return
                for entry in inputs:
                    if self.timed:
                        self.begun[1] = time.monotonic_ns()
                    self.begun[2] = self._answered
                    # No variable keeps the input, which may be large.
                    yield from self._results_of(function(entry if self.plain else load(entry)))
        except StopIteration as error:
            raise RuntimeError("function raised StopIteration") from error

    def _results_of(self, made: Any) -> Iterator[Any]:
        """Yield an iterator over the results of a flat input, and then one of a mark."""
        if not is_iterable(made):
            function = self._given[0]
            raise TypeError(
                f"function {getattr(function, '__qualname__', repr(function))} returned "
                f"{type(made).__name__} for the input of index {self.where()[0]}, which is not "
                f"iterable{or_awaited(made)}; with flat=True, return an iterable of results, "
                "or leave flat out"
            )
        made = begun_once(iter(made))  # it may be large, and is not kept
        self._open = made
        timed = map(self._note_time, made) if self.timed else made
        skip, self._skip = self._skip, 0
        if skip:  # the parent has them from a worker that has died, or an earlier run
            pass_over(timed, skip, (), self.skips, of=f"the input of index {self.where()[0]}")
        yield timed
        self._open = None
        self._answered = self._begun()
        yield _END

    def _note_time(self, made: Any) -> Any:
        """Note when a result of a flat input was made; return it, so that no frame keeps it."""
        self.begun[1] = time.monotonic_ns()
        return made

    def load(self, entry: Any) -> Any:
        """Decode an entry to its input. User code may run in that, and fail."""
        self.stage = "input"
        try:
            given = decode(entry, ())
        except StopIteration as error:  # it would pass for the end of the batch
            raise RuntimeError("unpickling the input raised StopIteration") from error
        self.stage = Mapper.stage
        return given

    def _begin_batch(self, first: int, entries: list[Any], *, plain: bool) -> None:
        self.stage, self.plain = Mapper.stage, plain
        walk, length = iter(entries), len(entries)
        # No call comes between these, so no signal handler runs there: these numbers say which
        # input the error of a handler belongs to.
        self._taken += self._length
        self._first, self._length, self._walk = first, length, walk


def run_task(*given: Any) -> Any:
    """Call what was submitted, with what `setup` has made, if any, as its first argument."""
    *made, (fn, args, kwargs) = given
    try:
        return fn(*made, *args, **kwargs)
    except StopIteration as error:  # it would end the caller's loop, and nobody would see why
        raise RuntimeError("the call raised StopIteration") from error


class Chunk:
    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def __call__(self, *given: Any) -> list[Any]:
        """Return the results of calls, whose arguments are in the last argument."""
        *made, calls = given
        return [self._fn(*made, *args) for args in calls]
