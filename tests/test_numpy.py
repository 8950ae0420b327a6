"""Arrays on allocated memory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import farside.numpy
from farside._memory.allocate import use
from farside._memory.arena import Arena
from farside._memory.creating import create
from farside._memory.mapping import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=["worker", "none"])
def arena(request: pytest.FixtureRequest) -> Iterator[Arena | None]:
    """Let this interpreter be a worker, or not."""
    shared = create(1 << 20)[0]
    made = Arena(Mapping(shared.fileno())) if request.param == "worker" else None
    use(made)
    yield made
    use(None)
    shared.close()
    # Before 3.13 a mapping has a descriptor, and pytest keeps it for longer than it may be there.
    request.node.funcargs.clear()


MAKERS = [farside.numpy.empty, farside.numpy.zeros]
SHAPES: list[Any] = [(), 0, 5, 20_000, (0, 3), (3, 0), (2, 3, 4), [200, 50], np.int64(7)]
DTYPES: list[Any] = [
    float, "u1", bool, "<i2", ">f8", "complex64", "S", "U5", "datetime64[s]", "(2,3)f4",
    [("a", "u1"), ("b", "f8")], object,
]  # fmt: skip
WRONG: list[Any] = [(-1, float), ("x", float), (3, "nonsense"), (1.5, int)]


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_are_like_those_of_numpy(make: Callable[..., Any], shape: Any, dtype: Any) -> None:
    real = np.zeros(shape, dtype)
    array = make(shape, dtype)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.strides) == (real.shape, real.dtype, real.strides)
    assert array.flags.writeable
    assert array.flags.aligned
    array[...] = real
    assert array.tobytes() == real.tobytes()


@pytest.mark.parametrize("make", MAKERS)
def test_they_lie_in_the_arena(arena: Arena | None, make: Callable[..., Any]) -> None:
    array = make((100, 100))
    assert array.dtype == float
    if arena is not None:
        assert arena.claim(memoryview(array).cast("B")) is not None


@pytest.mark.usefixtures("arena")
def test_memory_is_cleared_for_zeros() -> None:
    for _ in range(3):
        dirty = farside.numpy.empty(50_000, "u1")
        dirty[:] = 7
        del dirty
        assert not farside.numpy.zeros(50_000, "u1").any()


@pytest.mark.usefixtures("arena")
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("shape", "dtype"), [(-1, float), ("x", float), (3, "nonsense"), (1.5, int)]
)
def test_what_numpy_refuses(make: Callable[..., Any], shape: Any, dtype: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        make(shape, dtype)


@pytest.mark.parametrize("how", ["import farside.numpy", "import farside; farside.numpy.empty"])
def test_numpy_is_imported_when_it_is_needed(how: str) -> None:
    code = f"import sys; {how}; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "False"


def test_it_does_not_hide_numpy() -> None:
    assert "numpy" in dir(farside)
    assert "numpy" not in farside.__all__
