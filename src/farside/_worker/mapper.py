"""Runs a function over inputs, which the parent gives while the pass goes on."""

from __future__ import annotations

import time
from itertools import chain, compress, count, repeat, starmap

from .._in_c import deque, length_hint, partial, setitem
from .._link.control import acknowledged_word
from .._payload.decoder import decode
from .._payload.failure import describe
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

_NOTHING: Iterator[Any] = iter(())
_END = (Mark(),)


class Mapper(Tasks):
    """Calls a function with one input after the other.

    It is pickled as a function that takes nothing, and called in the worker.

    Args:
        function: what to call.
        setup: makes what `function` is given first, or None.
        flat: whether it returns an iterable, whose elements are the results.
        timed: whether the parent has to know when an input was begun.
        one_by_one: whether each result is sent before the next input is begun.
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
        """Make in the worker what lasts from pass to pass."""
        self._function, setup, self._flat, self._timed, self.one_by_one = self._given
        if self.one_by_one:
            self.pickle_stage = "task"
        if setup is not None:
            self.made = setup()
            self._function = partial(self._function, self.made)
        self._waiting: deque[tuple[int, int, bool, list[Any]]] = deque()
        self._open: Any = None  # the iterator of a flat input
        self._busy = False  # with a flat input
        self._taken = self._length = 0  # inputs of the batches before, in this pass
        self._begin_batch(0, [])
        self._ended = True
        self._epoch = self._seed = self._skip = 0
        self._total: int | None = None
        return self

    def begin(self, plan: Any, epoch: int, seed: int) -> Iterator[Any]:
        self._total, self.replaceable = plan
        self._epoch, self._seed = epoch, seed
        self._taken = -self._length
        self.hungry = self._busy = False
        return self.go_on()

    def add(self, tasks: Any) -> None:
        self.hungry = False
        self._waiting.extend(tasks)

    def take_back(self) -> list[Any]:
        tasks: list[Any] = []
        while True:
            try:
                tasks.append(self._waiting.pop())  # one call: nobody else has it then
            except IndexError:
                return tasks

    def go_on(self) -> Iterator[Any]:
        """Return what yields the results of what is left, also after an input that has failed."""
        return chain.from_iterable(self._flat_results() if self._flat else self._results())

    def leave(self, made: int = 0) -> None:  # noqa: ARG002  see `Tasks`
        opened, self._open = self._open, None
        self.run_clock(False)
        self._waiting.clear()
        self._inputs, self._ended = _NOTHING, True
        close_generators((opened,))

    def where(self) -> Task:
        index = self._first + self._length - length_hint(self._walk) - 1
        return index, self._total, shard_seed(self._seed, self._epoch, max(index, 0)), self._epoch

    def failed_alone(self, made: int) -> int | None:
        if not self._is_at_an_input(made):
            return None  # what a signal handler has raised between two
        self._skip = 0  # it was for the input that has failed
        self.stage, self._busy = Mapper.stage, False
        return self.where()[0]

    def _is_at_an_input(self, made: int) -> bool:
        """Tell whether an input was begun that has no answer, where so many answers were made."""
        if self._flat:
            return self._busy or self.stage == "input"
        return self._taken + self._length - length_hint(self._walk) > made

    def run_clock(self, on: bool) -> None:  # noqa: FBT001  it starts or stops
        if self._timed and self.begun is not None:
            self.begun[1] = time.monotonic_ns() if on and self._flat else 0

    def _results(self) -> Iterator[Any]:
        while self._has_inputs():
            yield map(self._function, self._inputs)  # C code calls the function
            if not self._ended:
                error = RuntimeError("function raised StopIteration")
                yield (Mark(tuple(describe(error, "function", self.where()[0]))),)
        self.hungry = True

    def _flat_results(self) -> Iterator[Any]:
        while self._has_inputs():
            for given in self._inputs:
                self._busy = True
                skip, self._skip = self._skip, 0
                made = self._function(given)
                if not is_iterable(made):
                    raise TypeError(self._not_iterable(made))
                made = begun_once(iter(made))
                self._open = made
                timed = compress(made, self._times()) if self._timed and self.begun else made
                if skip:  # the parent has them from a worker that has died, or an earlier run
                    of = f"the input of index {self.where()[0]}"
                    pass_over(timed, skip, (), self.skips, of=of)
                yield timed
                self._open, self._busy = None, False
                yield _END
        self.hungry = True

    def _not_iterable(self, made: Any) -> str:
        function = self._given[0]
        return (
            f"function {getattr(function, '__qualname__', repr(function))} returned "
            f"{type(made).__name__} for the input of index {self.where()[0]}, which is not "
            f"iterable{or_awaited(made)}; with flat=True, return an iterable of results, "
            "or leave flat out"
        )

    def _has_inputs(self) -> bool:
        if self._ended:
            try:
                first, self._skip, plain, entries = self._waiting.popleft()
            except IndexError:
                return False
            self._begin_batch(first, entries)
            inputs = self._walk
            if self._skip:
                self.skips.expect(self._skip)
            if self.begun is not None:
                inputs = compress(inputs, self._begins(first))
            if not plain:
                inputs = map(self._load, inputs)
            self._inputs = chain(inputs, self._end())
        return True

    def _load(self, entry: Any) -> Any:
        """Turn an entry into its input: code of the user's may run in that, and fail.

        StopIteration would pass for the end of the batch.
        """
        self.stage = "input"
        try:
            given = decode(entry, ())
        except StopIteration as error:
            raise RuntimeError("unpickling the input raised StopIteration") from error
        self.stage = Mapper.stage
        return given

    def _begin_batch(self, first: int, entries: list[Any]) -> None:
        self.stage = Mapper.stage
        walk, length = iter(entries), len(entries)
        # No call comes in between, so no signal handler: what it raises is blamed by these.
        self._taken += self._length
        self._first, self._length, self._walk = first, length, walk
        self._ended = False

    def _end(self) -> Iterator[Any]:
        self._ended = True
        yield from ()

    def _begins(self, first: int) -> Iterator[Any]:
        """Yield something true for each input, and write which one it is into shared memory.

        C code does so: a line of Python for each input would cost more than all the rest.
        """
        numbers = count(acknowledged_word(self.number, first + 1))
        writes = map(setitem, repeat(self.begun), repeat(0), numbers)
        # The time first: who reads the number of an input must not find the time of an earlier one.
        if self._timed:
            return zip(self._times(), writes)  # noqa: B905  neither ends
        return zip(writes)

    def _times(self) -> Iterator[Any]:
        times = starmap(time.monotonic_ns, repeat(()))
        return zip(map(setitem, repeat(self.begun), repeat(1), times))


def run_task(*given: Any) -> Any:
    """Call what was submitted; what `setup` has made comes before its own arguments."""
    *made, (fn, args, kwargs) = given
    try:
        return fn(*made, *args, **kwargs)
    except StopIteration as error:  # it would end what calls this, and nobody would know where
        raise RuntimeError("the call raised StopIteration") from error


class Chunk:
    """Calls a function several times."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn

    def __call__(self, *given: Any) -> list[Any]:
        """Return the results for the arguments in the last of what is given."""
        *made, calls = given
        return [self._fn(*made, *args) for args in calls]
