"""Memory for items, where there is a worker and where there is none."""

import sys
from collections.abc import Iterator

import pytest

import farside
from farside._memory import allocate as module
from farside._memory.allocate import allocate, use
from farside._memory.arena import Arena
from farside._memory.creating import create
from farside._memory.mapping import Mapping
from tests.children import forked

ARENA = 1 << 20


@pytest.fixture
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """Let this interpreter be a worker."""
    shared = create(ARENA)[0]
    made = Arena(Mapping(shared.fileno()))
    use(made)
    yield made
    use(None)
    shared.close()
    # Before 3.13 a mapping has a descriptor, and pytest keeps it for longer than it may be there.
    request.node.funcargs.clear()


def is_shared(view: memoryview) -> bool:
    return not isinstance(view.obj, bytearray)


@pytest.mark.parametrize("nbytes", [0, 1, 5000, 1_000_000])
def test_outside_a_worker_it_is_ordinary_memory(nbytes: int) -> None:
    view = farside.allocate(nbytes)
    assert (view.format, view.nbytes, view.readonly) == ("B", nbytes, False)
    assert not is_shared(view)
    view[:] = b"x" * nbytes


def test_in_a_worker_it_is_shared(arena: Arena) -> None:
    view = allocate(10_000)
    assert (view.format, view.nbytes, view.readonly) == ("B", 10_000, False)
    assert is_shared(view)
    assert arena.claim(view) is not None


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("nbytes", [0, 100, ARENA + 1])
def test_what_does_not_go_there_is_ordinary_memory(nbytes: int) -> None:
    view = allocate(nbytes)
    assert (view.nbytes, is_shared(view)) == (nbytes, False)


@pytest.mark.usefixtures("arena")
def test_in_a_child_of_a_worker_it_is_ordinary_memory() -> None:
    kept = allocate(10_000)
    kept[:] = bytes([1]) * 10_000

    def child() -> None:
        assert not is_shared(allocate(10_000))
        # Nothing that ends here is the worker's business.
        kept.release()

    assert forked(child) == 0
    assert is_shared(allocate(10_000))
    assert set(kept) == {1}


def test_a_worker_without_an_arena() -> None:
    use(None)
    assert not is_shared(allocate(10_000))


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def test_whatever_is_an_integer_will_do() -> None:
    assert allocate(Index(3)).nbytes == 3


@pytest.mark.parametrize("wrong", [1.0, "3", None, True, Index("3")])  # type: ignore[arg-type]
def test_what_is_no_whole_number_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError) as raised:
        allocate(wrong)  # type: ignore[arg-type]
    assert str(raised.value) == (
        f"nbytes={wrong!r} is not a whole number; pass a whole number of bytes, 0 or more"
    )


def test_negative_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="nbytes=-1 is below 0; pass a whole number of bytes"):
        allocate(-1)


@pytest.mark.parametrize("nbytes", [sys.maxsize, sys.maxsize + 1, 1 << 80])
@pytest.mark.parametrize("kind", ["worker", "none"])
def test_more_than_there_is(request: pytest.FixtureRequest, nbytes: int, kind: str) -> None:
    if kind == "worker":
        request.getfixturevalue("arena")
    with pytest.raises(MemoryError):
        allocate(nbytes)


def test_the_arena_is_that_of_the_process_that_uses_it() -> None:
    assert module._arena is None
