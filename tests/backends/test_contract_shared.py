"""Objects of multiprocessing in fn, initializers and finalizers."""

from __future__ import annotations

import gc
import multiprocessing
import os
from functools import partial
from multiprocessing.managers import SyncManager
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any

import pytest

from farside import NotPicklableError
from tests.backends import sharing, sharing_jobs
from tests.backends.sharing_jobs import SECONDS, USES
from tests.kinds import INLINE, SUBPROCESSES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.managers import ListProxy

    from farside import RemoteIterable

WITH_ENV = Kind("spawn with env", "subprocess", {"env": {"FARSIDE_TEST": "1"}})


def context_of(kind: Kind) -> Any:
    """Return what makes objects for workers of a kind."""
    return multiprocessing.get_context("fork" if kind.name == "fork" else "spawn")


@pytest.fixture(params=[*SUBPROCESSES, WITH_ENV, INLINE], ids=lambda kind: kind.name)
def taking_kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker that can be given such objects."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="module", autouse=True)
def _heap_of_multiprocessing() -> None:
    """Start what multiprocessing keeps for ever, so that no test is blamed for it."""
    multiprocessing.RawValue("i")


@pytest.fixture(autouse=True)
def _collected() -> None:
    """Collect the semaphores of the test before.

    Python 3.12.1 fails where that happens in the middle of registering another one.
    """
    gc.collect()


def test_the_worker_uses_what_the_parent_has_made(taking_kind: Kind) -> None:
    context = context_of(taking_kind)
    uses = dict(USES)
    if taking_kind is INLINE:  # its worker is the same thread
        del uses["RLock"]  # which may take it again
        del uses["socket"]  # which the worker closes
    made = {name: use.make(context) for name, use in uses.items()}
    given = {name: use.given(made[name]) for name, use in uses.items()}
    for _ in range(2):  # a second worker is given the same
        for name, use in uses.items():
            use.before(made[name])
        fn = partial(sharing_jobs.use_all, given)
        with taking_kind.start(fn, timeout=SECONDS) as items:
            assert dict(items) == {name: use.items for name, use in uses.items()}
            for name, use in uses.items():
                use.after(made[name])
    for each in made.values():
        sharing_jobs.dispose(each)


def test_initializers_and_finalizers_are_given_them_too(taking_kind: Kind) -> None:
    context = context_of(taking_kind)
    receive, send = context.Pipe(duplex=False)
    value = context.Value("i", 0)
    with taking_kind.start(
        partial(sharing_jobs.count_up, value),
        initializer=partial(send.send, "begun"),
        finalizer=[partial(sharing_jobs.count_up, value), partial(send.send, "ended")],
        timeout=SECONDS,
    ) as items:
        assert list(items) == [1]
    assert (receive.recv(), receive.recv()) == ("begun", "ended")
    assert value.value == 2
    sharing_jobs.dispose((receive, send))


def test_a_closure_that_holds_them(taking_kind: Kind) -> None:
    context = context_of(taking_kind)
    lock, value, ends = context.Lock(), context.Value("i", 1), context.Pipe()

    def closure() -> Iterator[int]:
        with lock:
            value.value += 1
        ends[0].send("done")
        yield value.value

    with taking_kind.start(closure, initializer=lambda: None, timeout=SECONDS) as items:
        assert list(items) == [2]
        assert value.value == 2
        assert ends[1].recv() == "done"
    sharing_jobs.dispose(ends)


def tell_attached(memory: SharedMemory) -> Iterator[int]:
    """Change shared memory that came by its name."""
    assert memory.buf is not None
    memory.buf[1] = 8
    yield memory.buf[0]
    memory.close()


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    """Shared memory of the parent."""
    # Not multiprocessing's own name: another process of the test run would call it a leak.
    memory = SharedMemory(f"test_shared_{os.getpid()}", create=True, size=2)
    yield memory
    memory.close()
    memory.unlink()  # fails if a worker's tracker has unlinked it


def test_shared_memory(kind: Kind, memory: SharedMemory) -> None:
    assert memory.buf is not None
    memory.buf[0] = 7
    for _ in range(2):
        with kind.start(partial(tell_attached, memory), timeout=SECONDS) as items:
            assert list(items) == [7]
        assert memory.buf[1] == 8
        memory.buf[1] = 0


def test_a_proxy_of_a_manager_with_a_key_of_its_own(kind: Kind) -> None:
    """Pickle leaves the key out, and the manager then rejects who comes without it."""
    with SyncManager(authkey=b"its own", ctx=multiprocessing.get_context("spawn")) as manager:
        items: ListProxy[int] = manager.list([1])
        for _ in range(2):
            with kind.start(partial(sharing.append, items), timeout=SECONDS) as result:
                assert list(result)[-1] == 2
        assert list(items) == [1, 2, 2]
        queue = manager.Queue()
        queue.put(1)
        with kind.start(lambda: sharing_jobs.get_and_put(queue), timeout=SECONDS) as result:
            assert list(result) == [1]
        assert queue.get() == 2


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("make", [lambda c: c.Lock(), lambda c: c.Queue()], ids=["Lock", "Queue"])
def test_a_lock_that_was_made_for_fork(method: str, make: Callable[[Any], Any]) -> None:
    made = make(multiprocessing.get_context("fork"))
    kind = Kind(method, "subprocess", {"mp_context": method})
    with pytest.raises(NotPicklableError, match=r"fn=.*made for the start method 'fork'") as caught:
        kind.start(partial(list, made))
    assert "multiprocessing.get_context('forkserver')" in str(caught.value)
    assert "mp_context='fork'" in str(caught.value)
    items: RemoteIterable[Any]
    with INLINE.start(partial(list, [made])) as items:  # it stays in this process
        assert len(items) == 1
    sharing_jobs.dispose(made)


def test_what_is_wrong_beside_a_lock_is_named(subprocess_kind: Kind) -> None:
    if subprocess_kind.name == "fork":
        return  # nothing is pickled
    lock = context_of(subprocess_kind).Lock()
    with pytest.raises(NotPicklableError, match=r"initializer\[0\]=.*generator") as caught:
        subprocess_kind.start(
            partial(sharing_jobs.try_to_acquire, lock),
            initializer=partial(list, (each for each in "ab")),
        )
    assert "make in the worker what does not" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Queue", r"fn\.args\[0\]: multiprocessing\.queues\.Queue"),
        ("Lock held by the worker", r"fn\.args\[0\]: multiprocessing\.synchronize\.Lock"),
        ("Value", r"fn\.args\[0\]: multiprocessing\.sharedctypes\.Synchronized"),
        ("RawValue", r"fn\.args\[0\]: ctypes\.c_int"),
        ("Pipe", r"fn\.args\[0\]: multiprocessing\.connection\.Connection"),
        ("socket", r"fn\.args\[0\]: socket\.socket"),
    ],
)
def test_a_subinterpreter_is_not_given_them(
    subinterpreter_kind: Kind, name: str, told: str
) -> None:
    use = USES[name]
    made = use.make(context_of(subinterpreter_kind))
    with pytest.raises(NotPicklableError, match=told) as caught:
        subinterpreter_kind.start(partial(use.work, use.given(made)))
    assert "use iterate_in_subprocess" in str(caught.value)
    sharing_jobs.dispose(made)


def test_plain_ctypes_are_still_copies(kind: Kind) -> None:
    """Multiprocessing knows no other reducer for a type once it has shared one of it."""
    import ctypes

    shared = context_of(kind).RawValue("i", 1)
    plain = ctypes.c_int(2)
    with kind.start(partial(sharing_jobs.count_up, plain)) as items:
        assert list(items) == [3]
    assert plain.value == 2
    if kind.is_process:
        with kind.start(lambda: [shared.value, plain.value]) as values:
            assert list(values) == [1, 2]
