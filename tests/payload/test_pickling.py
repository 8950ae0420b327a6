"""The codec: what comes back is equal, writable, aligned and independent of what was sent."""

import ctypes
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farside._memory.parts import size
from farside._payload import pickling
from farside._payload.pickling import dumps, dumps_by_value, loads
from tests.children import run_python
from tests.steady import STEADY

if TYPE_CHECKING:
    from farside._memory.parts import Part

MakeBody: TypeAlias = Callable[[bytes], bytes | bytearray]

ATOMS = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
ORDINARY = st.recursive(
    ATOMS | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def carry(obj: object, kind: MakeBody = bytes) -> Any:
    """Send an object through the bytes of a body."""
    return loads(kind(b"".join(dumps(obj))))


def buffers_of(*sizes: int) -> list[bytearray]:
    return [bytearray(i % 251 for i in range(n)) for n in sizes]


def address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


@STEADY
@given(ORDINARY)
def test_ordinary_objects_come_back_equal(obj: object) -> None:
    assert carry(obj) == obj


@STEADY
@given(ORDINARY)
def test_ordinary_objects_are_one_part_of_plain_pickle(obj: object) -> None:
    (part,) = dumps(obj)
    assert bytes(part[:1]) == b"\x80"
    assert pickle.loads(part) == obj


@pytest.mark.parametrize("obj", [OrderedDict(a=1), {1, 2}, range(3), 1j, b"B", "B", ValueError])
def test_other_types_come_back_equal(obj: object) -> None:
    assert carry(obj) == obj


@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize(
    "sizes", [(1,), (0,), (0, 0), (15, 16, 17, 1), (7,) * 100, (0, 5, 0), (3 << 20,)]
)
def test_buffers_come_back_equal(kind: MakeBody, sizes: tuple[int, ...]) -> None:
    sent = buffers_of(*sizes)
    got = carry([pickle.PickleBuffer(each) for each in sent], kind)
    assert [bytes(each) for each in got] == [bytes(each) for each in sent]


@STEADY
@given(st.lists(st.integers(min_value=0, max_value=70), min_size=1, max_size=12), st.binary())
def test_any_mix_of_buffer_sizes_comes_back_equal(sizes: list[int], inside: bytes) -> None:
    sent = buffers_of(*sizes)
    got, beside = carry(([pickle.PickleBuffer(each) for each in sent], inside))
    assert [bytes(each) for each in got] == [bytes(each) for each in sent]
    assert beside == inside


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_buffers_are_aligned(kind: MakeBody) -> None:
    sent = buffers_of(1, 2, 3, 17, 4096, 5)
    for view in carry([pickle.PickleBuffer(each) for each in sent], kind):
        assert address(view) % 16 == 0


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_buffers_are_writable_and_leave_each_other_alone(kind: MakeBody) -> None:
    first, second = carry([pickle.PickleBuffer(each) for each in buffers_of(33, 33)], kind)
    first[:] = b"\xff" * 33
    assert bytes(second) == bytes(range(33))


def test_a_body_made_of_a_buffers_bytes_is_independent_of_what_was_sent() -> None:
    sent = bytearray(b"before")
    body = bytearray(b"".join(dumps(pickle.PickleBuffer(sent))))
    sent[:] = b"after!"
    assert bytes(loads(body)) == b"before"


def test_a_body_is_not_copied_again() -> None:
    body = bytearray(b"".join(dumps(pickle.PickleBuffer(bytearray(100)))))
    got = loads(body)
    got[:] = b"x" * 100
    assert body.endswith(b"x" * 100)


def test_without_a_table_each_block_is_a_buffer() -> None:
    buffers: list[pickle.PickleBuffer] = []
    given = [pickle.PickleBuffer(bytearray(b"one")), 2, pickle.PickleBuffer(bytearray(b"three"))]
    body = pickle.dumps(given, 5, buffer_callback=buffers.append)
    one, two, three = loads(body, [each.raw() for each in buffers])
    assert (bytes(one), two, bytes(three)) == (b"one", 2, b"three")


def test_buffers_outlive_the_body() -> None:
    body = bytearray(b"".join(dumps(pickle.PickleBuffer(bytearray(b"here")))))
    got = loads(body)
    del body
    assert bytes(got) == b"here"


def test_a_read_only_buffer_comes_back_read_only() -> None:
    got = carry(pickle.PickleBuffer(b"bytes"))
    assert bytes(got) == b"bytes"
    assert memoryview(got).readonly


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float64).reshape(3, 4),
        np.arange(12, dtype=np.int16).reshape(3, 4).T,
        np.zeros((0, 3)),
        np.array(5),
        np.arange(3 << 18, dtype=np.float32),
    ],
    ids=["c-order", "f-order", "empty", "scalar", "large"],
)
def test_arrays_come_back_equal_and_writable(array: Any) -> None:
    got = carry(array, bytearray)
    assert got.dtype == array.dtype
    assert np.array_equal(got, array)
    assert got.flags.writeable
    got[...] = 1
    assert (got == 1).all()


def test_an_array_that_is_not_contiguous_comes_back_equal() -> None:
    array = np.arange(40).reshape(5, 8)[::2, ::3]
    assert np.array_equal(carry(array), array)


def test_a_buffer_that_is_not_contiguous_is_refused() -> None:
    with pytest.raises((pickle.PicklingError, BufferError)):
        dumps(pickle.PickleBuffer(memoryview(bytearray(10))[::2]))


def test_an_objects_own_bytes_are_not_copied_before_they_are_sent() -> None:
    sent = bytearray(b"before")
    parts = dumps(pickle.PickleBuffer(sent))
    sent[:] = b"after!"
    assert bytes(parts[-1]) == b"after!"


def test_closures_go_by_value() -> None:
    base = 5
    assert carry(lambda n: base + n)(1) == 6


def test_buffers_stay_out_of_band_when_cloudpickle_takes_over() -> None:
    sent = bytearray(b"x" * 1000)
    parts = dumps((lambda: 1, pickle.PickleBuffer(sent)))
    assert len(parts) > 1
    call, buffer = loads(b"".join(parts))
    assert call() == 1
    assert bytes(buffer) == bytes(sent)


def test_buffers_of_the_failed_attempt_are_forgotten() -> None:
    # Plain pickle meets the buffer first, and fails at the lambda.
    parts = dumps((pickle.PickleBuffer(bytearray(b"once")), lambda: 1))
    assert sum(bytes(part) == b"once" for part in parts) == 1


def test_without_cloudpickle_plain_pickles_error_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickling, "cloud_pickler", lambda: None)
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"[Cc]an't (get|pickle)"):
        dumps(lambda: 1)


def test_what_cloudpickle_refuses_too_raises() -> None:
    with pytest.raises(TypeError, match="generator"):
        dumps(each for each in "ab")


def test_by_value_pickles_with_cloudpickle() -> None:
    data = dumps_by_value(lambda: 7)
    assert data is not None
    assert loads(data)() == 7


@pytest.mark.parametrize("hidden", [False, True])
def test_a_pickle_is_read_only_where_nothing_can_take_its_place(
    monkeypatch: pytest.MonkeyPatch, *, hidden: bool
) -> None:
    if hidden:
        monkeypatch.setitem(sys.modules, "cloudpickle", None)
    read: list[bytes] = []
    monkeypatch.setattr(pickling, "refers_to_main", read.append)
    text = "below if __name__ == '__main__':"
    assert loads(b"".join(dumps(text, main_by_value=True))) == text
    assert bool(read) is hidden


def test_by_value_is_none_without_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert dumps_by_value(1) is None


@pytest.mark.parametrize("body", [b"", b"\x80\x05", b"?", pickle.dumps("cut short", 5)[:-3]])
def test_a_damaged_body_raises_what_the_unpickler_raises(body: bytes) -> None:
    with pytest.raises((EOFError, pickle.UnpicklingError)):
        loads(body)


PARTS: "list[tuple[list[Part], int]]" = [
    ([], 0),
    ([b""], 0),
    ([b"abc", memoryview(b"de")], 5),
    ([memoryview(bytearray(16)).cast("i")], 16),
]


@pytest.mark.parametrize(("parts", "expected"), PARTS)
def test_size_counts_bytes(parts: "list[Part]", expected: int) -> None:
    assert size(parts) == expected


def test_size_of_what_dumps_gives_is_the_length_of_the_body() -> None:
    parts = dumps([pickle.PickleBuffer(each) for each in buffers_of(1, 20, 0, 300)])
    assert size(parts) == len(b"".join(parts))


def test_partials_of_importable_functions_need_no_cloudpickle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pickling, "cloud_pickler", lambda: None)
    assert list(carry(partial(range, 3))()) == [0, 1, 2]


LAZY = """\
import pickle
from farside._payload.pickling import dumps_by_value
lazy import json
lazy from collections import OrderedDict
lazy import no_such_module

def write(number):
    return json.dumps(OrderedDict(n=number))

def fail():
    return no_such_module

print(pickle.loads(dumps_by_value(write))(3))
try:
    dumps_by_value(fail)
except ImportError as error:
    print(error)
"""


@pytest.mark.skipif(sys.version_info < (3, 15), reason="needs lazy imports")
def test_what_a_function_imports_lazily_goes_with_it() -> None:
    assert run_python(LAZY) == """{"n": 3}\nNo module named 'no_such_module'\n"""
