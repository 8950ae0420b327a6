"""What a pass is made of, where a signal handler raises in the middle of a change of it."""

from __future__ import annotations

import signal
from functools import partial
from itertools import count, islice
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import pytest

from farside import RemoteIterable, iterate_in_worker, iterate_in_workers, map_in_workers
from farside._parent.passes.one_iterable import OneIterable
from farside._parent.passes.sequence import Given
from tests.faults.interrupting import Alarm, alarming, strike_at

if TYPE_CHECKING:
    from collections.abc import Callable


class Tens:
    """Has a beginning only once it is asked: so it is no sequence, and has anchors."""

    def __iter__(self) -> Any:
        return iter(range(10, 20))


def one() -> RemoteIterable[int]:
    return iterate_in_worker(Tens, backend="inline")


def shards() -> RemoteIterable[int]:
    return iterate_in_workers(range, [3, 4], 0)


def inputs() -> RemoteIterable[int]:
    return map_in_workers(abs, Tens(), 0)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [one, shards, inputs])
@pytest.mark.parametrize("given", [["load_state_dict"], ["set_epoch", 3]])
def test_a_handler_that_raises_finds_all_changed_or_nothing(
    make: Callable[[], RemoteIterable[int]], given: list[Any]
) -> None:
    with make() as first:
        whole = list(first)
    with make() as first:
        first.set_epoch(3)
        assert list(islice(first, 2)) == whole[:2]
        state = first.state_dict()
    change = methodcaller(*given, state) if given == ["load_state_dict"] else methodcaller(*given)
    with make() as first:
        change(first)
        changed, rest = first.state_dict(), list(first)
    with alarming():
        for place in count(1):
            with make() as second:
                before = {**second.state_dict(), "seed": changed["seed"]}
                struck = strike_at(place, partial(change, second), signal.SIGUSR1, Alarm)
                after = {**second.state_dict(), "seed": changed["seed"]}
                assert after in (before, changed)
                assert list(second) == (rest if after == changed else whole)
                if not struck.reached:
                    break


def test_what_was_made_ready_serves_one_pass_from_its_beginning() -> None:
    sequence = OneIterable(Given(0), counting=False)
    sequence.make_ready()
    first, _ = sequence.begin(0)
    second, _ = sequence.begin(1)
    assert first is not second
    sequence.make_ready()
    sequence.load({**sequence.state(2, 0), "begun": [[0, 5]]}, 2, strict=True)
    resumed, _ = sequence.begin(2)
    assert resumed.first == 5
