"""``for`` and ``async for`` do the same: whatever is called, the cores want the same done."""

from __future__ import annotations

import gc
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import BackendFallbackWarning
from farside._parent import effects
from farside._protocol.effects import Fail, Launch, Send
from farside._protocol.messages import EXHAUSTED, Status
from tests.parent import scripted
from tests.parent.scripted import (
    ScriptedWorker,
    answer,
    failure,
    finished,
    items,
    launching,
    ready,
    refusal,
    report,
    started,
    status,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from farside import RemoteIterable
    from farside._parent.client import Client
    from farside._parent.member import Member
    from farside._protocol.effects import Effect
    from tests.loops import Loop

END = "the end"


class Blocking:
    """The verbs of ``for`` and ``with``."""

    def begin(self, iterable: RemoteIterable[Any]) -> Iterator[Any]:
        return iter(iterable)

    async def next(self, iterator: Any) -> Any:
        return next(iterator, END)

    async def leave(self, iterator: Any) -> None:
        iterator.close()

    async def close(self, iterable: RemoteIterable[Any]) -> None:
        iterable.close()

    def run(self, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            main().send(None)
        except StopIteration as end:
            return end.value
        pytest.fail("it waits for an event loop")


class OnLoop:
    """The verbs of ``async for`` and ``async with``."""

    def __init__(self, loop: Loop) -> None:
        self.run = loop.run

    def begin(self, iterable: RemoteIterable[Any]) -> AsyncIterator[Any]:
        return iterable.__aiter__()

    async def next(self, iterator: Any) -> Any:
        try:
            return await iterator.__anext__()
        except StopAsyncIteration:
            return END

    async def leave(self, iterator: Any) -> None:
        await iterator.aclose()

    async def close(self, iterable: RemoteIterable[Any]) -> None:
        await iterable.aclose()


class Scene:
    """What a scenario does, with the verbs of one of the two, and what comes of it."""

    def __init__(self, verbs: Any, *steps: Any, **options: Any) -> None:
        self.iterable, self.link = scripted.iterable(*steps, **options)
        self.seen: list[Any] = []
        self._verbs = verbs

    def begin(self) -> Any:
        return self._verbs.begin(self.iterable)

    async def next(self, iterator: Any, count: int = 1) -> None:
        for _ in range(count):
            try:
                self.seen.append(await self._verbs.next(iterator))
            except Exception as error:
                self.seen.append(f"{type(error).__name__}: {error}")

    async def leave(self, iterator: Any) -> None:
        await self._verbs.leave(iterator)

    async def close(self) -> None:
        await self._verbs.close(self.iterable)

    def call(self, name: str, *args: Any) -> None:
        try:
            self.seen.append(getattr(self.iterable, name)(*args))
        except Exception as error:
            self.seen.append(f"{type(error).__name__}: {error}")


async def whole_passes(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, [2]), items(1, 3), finished(1))
    await scene.next(scene.begin(), 5)
    scene.link.then(started(2), status(Status.ITERATION_FINISHED, 2, EXHAUSTED))
    with pytest.warns(match="one-shot"):
        await scene.next(scene.begin())
    return scene


async def each_item_is_told(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, 2), items(1, 3), finished(1), buffer_size=2)
    await scene.next(scene.begin(), 4)
    return scene


async def left_early(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, 2))
    first = scene.begin()
    await scene.next(first)
    await scene.leave(first)
    await scene.next(first)
    scene.link.then(items(1, 3), finished(1), started(2), items(2, "new"), finished(2))
    await scene.next(scene.begin(), 2)
    return scene


async def dropped(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, 2))
    first = scene.begin()
    await scene.next(first)
    del first
    scene.begin()  # not even begun
    gc.collect()
    return scene


async def superseded(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, 2))
    older = scene.begin()
    await scene.next(older)
    newer = scene.begin()
    await scene.next(older, 2)
    scene.link.then(items(1, 3), finished(1), started(2), items(2, "new"), finished(2))
    await scene.next(newer, 2)
    await scene.leave(older)
    return scene


async def failed(verbs: Any) -> Scene:
    told = failure(Status.ITERATOR_FAILED, 1, KeyError("k"), "next", 1)
    scene = Scene(verbs, started(1), items(1, 1), told)
    await scene.next(scene.begin(), 3)
    scene.call("call", "go")
    return scene


async def spoilt(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, [1])._replace(items=3))
    await scene.next(scene.begin(), 2)
    scene.call("dump_stack")
    return scene


async def broken(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1), status(99))
    await scene.next(scene.begin(), 3)
    return scene


async def died(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1))
    await scene.next(scene.begin(), 3)
    return scene


async def left_and_died(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1))
    first = scene.begin()
    await scene.next(first)
    await scene.leave(first)
    scene.call("call", "go")
    await scene.close()
    return scene


async def timed_out(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1), None, report(1), timeout=1e-9)
    await scene.next(scene.begin(), 3)
    return scene


async def timed_out_in_silence(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1), None, None, timeout=1e-9)
    await scene.next(scene.begin(), 3)
    return scene


async def called(verbs: Any) -> Scene:
    scene = Scene(verbs, answer(0, "one", 7), report(0), started(1), items(1, 1))
    scene.call("call", "go")
    scene.call("__len__")
    scene.call("dump_stack")
    first = scene.begin()
    await scene.next(first)
    scene.call("call", "go")
    await scene.leave(first)
    refused = failure(Status.CALL_FAILED, 1, KeyError("k"), "call", None)
    scene.link.then(finished(1), refused, answer(1, 2))
    scene.call("call", "go")
    scene.call("call", "go")
    return scene


async def closed_in_the_middle(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, 2))
    first = scene.begin()
    await scene.next(first)
    await scene.close()
    await scene.next(first, 2)
    await scene.close()
    scene.call("call", "go")
    return scene


async def terminated(verbs: Any) -> Scene:
    scene = Scene(verbs, started(1), items(1, 1, 2))
    first = scene.begin()
    await scene.next(first)
    scene.call("terminate")
    await scene.next(first, 2)
    return scene


async def fallen_back(verbs: Any) -> Scene:
    refused = refusal(Status.ITERATOR_FAILED, 1, "next", 0)
    scene = Scene(verbs, started(1), refused, fallback="subprocess")
    other = ScriptedWorker(ready(b"2"), started(1), items(1, 1), finished(1))
    with launching(other), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await scene.next(scene.begin(), 3)
    scene.seen += [each.category is BackendFallbackWarning for each in caught]
    scene.seen += [scene.iterable.backend, len(scene.iterable), *other.link.told]
    return scene


async def not_fallen_back(verbs: Any) -> Scene:
    refused = refusal(Status.ITERATOR_FAILED, 1, "next", 0)
    scene = Scene(verbs, started(1), refused, fallback=None)
    await scene.next(scene.begin(), 2)
    return scene


SCENARIOS = [
    whole_passes,
    each_item_is_told,
    left_early,
    dropped,
    superseded,
    failed,
    spoilt,
    broken,
    died,
    left_and_died,
    timed_out,
    timed_out_in_silence,
    called,
    closed_in_the_middle,
    terminated,
    fallen_back,
    not_fallen_back,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_they_have_the_same_effects(
    loop: Loop, scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farside._protocol.parent.STACK_SECONDS", 1e-9)
    done: list[Any] = []
    do = effects.do

    def record(client: Client, member: Member, effect: Effect) -> None:
        done.append(plain(effect))
        do(client, member, effect)

    monkeypatch.setattr(effects, "do", record)
    outcomes = []
    for verbs in (Blocking(), OnLoop(loop)):
        scene = verbs.run(partial(scenario, verbs))
        scene.iterable.close()
        outcomes.append((scene.seen, list(done), scene.link.told, scene.link.acknowledged))
        done.clear()
    blocking, on_loop = outcomes
    assert blocking == on_loop
    assert blocking[1]


def plain(effect: Effect) -> Any:
    """Return what can be compared of an effect."""
    name = type(effect).__name__
    if isinstance(effect, Send):
        return name, effect.cmd.name, effect.epoch, effect.token is None
    if isinstance(effect, (Fail, Launch)):
        return name, effect.ending.cause, effect.ending.state, effect.ending.last_index
    return name, getattr(effect, "kill", None)
