"""JAX: arrays cross as NumPy's do, and keep what JAX's own pickle keeps."""

from __future__ import annotations

import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside._payload.encoder import Encoder
from farside._payload.items import Stored

jax: Any = pytest.importorskip("jax")
pytest.importorskip("jaxlib._jax")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kinds import Kind
    from tests.payload.ways import Way

SIZE = 20_000
TYPES = ["bool", "u1", "i4", "f2", "f4", "c8", "bfloat16", "float8_e4m3fn", "int4"]


def of(dtype: str, *shape: int) -> Any:
    return (jax.numpy.arange(SIZE) % 7).astype(dtype).reshape(shape or (SIZE,))


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type(way: Way, dtype: str) -> None:
    for sent in (of(dtype), of(dtype, 100, 200).T, of(dtype)[5], of(dtype)[:0]):
        got = way.carry([sent])[0]
        assert type(got) is type(sent)
        assert (got.dtype, got.shape, got.weak_type) == (sent.dtype, sent.shape, sent.weak_type)
        assert np.array_equal(np.asarray(got), np.asarray(sent))
        assert got.committed == pickle.loads(pickle.dumps(sent)).committed


@pytest.mark.parametrize("dtype", TYPES)
def test_the_contents_are_kept_out_of_the_stream(dtype: str) -> None:
    entry = Encoder(None).encode(of(dtype))
    assert isinstance(entry, Stored)
    assert len(entry.places[0]) < 1000


def test_weak_types_and_trees(way: Way) -> None:
    sent = {"weak": jax.numpy.asarray(1.0), "list": [of("f4"), 3]}
    got = way.carry(sent)
    assert got["weak"].weak_type
    assert jax.tree.structure(got) == jax.tree.structure(sent)
    assert (jax.jit(lambda array: array * 2)(got["list"][0]) == of("f4") * 2).all()


def test_keys_are_left_to_jax(way: Way) -> None:
    key = jax.random.key(7)
    try:
        pickle.dumps(key)
    except TypeError:
        with pytest.raises(TypeError):
            way.carry(key)
    else:
        assert jax.random.uniform(way.carry(key)) == jax.random.uniform(key)


def arrays(count: int) -> Iterator[Any]:
    for number in range(count):
        yield of("f4") + number


def test_arrays_of_a_worker(kind: Kind) -> None:
    if kind.name == "subinterpreter":
        return  # JAX does not load there
    with kind.start(partial(arrays, 4)) as items:
        kept = list(items)
    for got, sent in zip(kept, arrays(4), strict=True):
        assert (got == sent).all()
