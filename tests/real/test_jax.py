"""JAX: arrays cross as NumPy's do, and keep what JAX's own pickle keeps."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farside._payload import jax_arrays
from farside._payload.encoder import Encoder
from farside._payload.items import Stored
from tests.payload.ways import items_in

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


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Any:
    """JAX's own function, which a test may replace; nothing is known of arrays."""
    monkeypatch.setattr(jax_arrays, "_known", {})
    return jax._src.lib._jax.batched_device_put


def test_alike_arrays_are_made_as_the_second_was(way: Way, put: Any, monkeypatch: Any) -> None:
    calls: list[Any] = []
    device_put = jax.device_put

    def called(array: Any) -> Any:
        calls.append(array.shape)
        return device_put(array)

    monkeypatch.setattr(jax, "device_put", called)
    kept = [way.carry(of("f4", *shape) + n) for n in range(5) for shape in ((200, 100), (SIZE,))]
    assert calls == 2 * [(200, 100), (SIZE,)]
    for number, got in enumerate(kept):
        assert (np.asarray(got).reshape(-1) == np.asarray(of("f4")) + number // 2).all()
        assert got.committed == pickle.loads(pickle.dumps(got)).committed


def fails(*_: object) -> None:
    raise TypeError("other arguments")


def test_where_the_function_is_another_one_jax_makes_each(
    way: Way, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commits(aval: Any, sharding: Any, xs: Any, devices: Any, _: Any) -> Any:
        return put(aval, sharding, xs, devices, True)

    for other in (fails, commits):
        monkeypatch.setattr("jaxlib._jax.batched_device_put", other)
        jax_arrays._known.clear()
        for _ in range(3):
            got = way.carry(of("f4"))
            assert not got.committed
            assert (got == of("f4")).all()
        assert [*jax_arrays._known.values()] == [False]


@pytest.mark.parametrize("size", [3000, 1 << 17])
def test_a_guard_may_allow_only_explicit_transfers(way: Way, size: int) -> None:
    sent = jax.numpy.arange(size)
    for _ in range(3):
        with jax.transfer_guard("disallow"):
            got = way.carry(sent)
        assert (got == sent).all()


def test_what_a_signal_handler_raises_is_not_lost(
    way: Way, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        way.carry(of("f4"))

    def interrupted(*given: Any) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        return put(*given)

    def handler(*_: object) -> None:
        raise RuntimeError("a handler's")

    monkeypatch.setattr("jaxlib._jax.batched_device_put", interrupted)
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(RuntimeError, match="a handler's"):
            way.carry(of("f4"))
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_want_of_memory_says_nothing_of_the_function(
    way: Way, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks_memory(*_: object) -> None:
        raise MemoryError

    way.carry(of("f4"))
    with monkeypatch.context() as patch:
        patch.setattr("jaxlib._jax.batched_device_put", lacks_memory)
        with pytest.raises(MemoryError):
            way.carry(of("f4"))
    assert (way.carry(of("f4")) == of("f4")).all()
    assert False not in jax_arrays._known.values()


SETTINGS = """
import os, pickle
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import jax, numpy as np
from tests.payload.ways import Way

way = Way(1 << 24)
wide = "jax_enable_x64"
jax.config.update(wide, True)
double = jax.numpy.arange(3000.0, dtype="f8")
single = jax.numpy.arange(3000.0, dtype="f4")
for _ in range(3):
    for device in (None, *jax.devices()):
        for on in (True, False):
            jax.config.update(wide, on)
            for sent in (single, double):
                with jax.default_device(device):
                    got, same = way.carry(sent), pickle.loads(pickle.dumps(sent))
                told = [(x.dtype, x.devices(), x.committed, x.sharding) for x in (got, same)]
                assert told[0] == told[1], (device, on, told)
                assert np.array_equal(got, same)
way.close()
"""


def test_settings_count(tmp_path: object) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", SETTINGS], check=True, timeout=120)


def test_where_jax_traces_an_array_is_of_use(way: Way, put: Any) -> None:
    frame = way.frame(way.encoder.encode(of("f4", 10, 2000)))

    def total(number: Any) -> Any:
        return number + items_in(frame, frame.blocks)[0].sum()

    expected = float(of("f4").sum())
    assert float(jax.jit(total)(1.0)) == expected + 1
    for _ in range(2):
        assert (way.carry(of("f4", 10, 2000)) == of("f4", 10, 2000)).all()
    assert False not in jax_arrays._known.values()
