"""Reducers of users: heard at once, by whatever is pickled, and nowhere but in farside."""

from __future__ import annotations

import copyreg
import pickle
import sys
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import farside
from farside._payload.pickling import dumps, dumps_by_value, loads
from farside._payload.reducers import Table
from tests.payload import registering
from tests.payload.registering import SIZE, Frame, Frames, Late, SubFrame, reduce_frame

if TYPE_CHECKING:
    from tests.kinds import Kind
    from tests.payload.ways import Way


def test_what_is_registered_is_heard_by_an_encoder_that_is_there_already(way: Way) -> None:
    frame = Frame(bytearray(b"7") * SIZE)
    with pytest.raises(TypeError, match="cannot pickle a Frame"):
        way.carry(frame)
    assert farside.register_reducer(Frame, reduce_frame) is reduce_frame
    got = way.carry({"frame": frame})["frame"]
    assert type(got) is Frame
    assert bytes(got.contents) == frame.contents
    got.contents[0] = 1
    with pytest.raises(TypeError, match="cannot pickle a Frame"):
        pickle.dumps(frame)


def test_what_a_user_tells_copyreg_goes_before_what_farside_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masked: Any = np.ma.MaskedArray
    array: Any = np.ma.array([1.0, 2.0], mask=[True, False])  # type: ignore[no-untyped-call]
    assert loads(b"".join(bytes(each) for each in dumps(array))).mask[0]
    monkeypatch.setitem(copyreg.dispatch_table, masked, lambda _: (str, ("the user's",)))
    table = Table()
    assert masked not in table
    assert table[masked](array) == (str, ("the user's",))


def test_it_holds_for_calls_and_beside_lambdas() -> None:
    registering.register()
    frame = Frame(b"7" * SIZE)
    for item in (frame, [frame, lambda: 1]):
        got = loads(bytearray().join(dumps(item)))
        assert (got if item is frame else got[0]).contents == frame.contents
    assert dumps_by_value([frame, lambda: 1]) is not None


def test_it_does_not_reach_subclasses(way: Way) -> None:
    registering.register()
    with pytest.raises(TypeError, match="cannot pickle a Frame"):
        way.carry(SubFrame(b""))
    farside.register_reducer(SubFrame, lambda frame: (SubFrame, (frame.contents,)))
    assert type(way.carry(SubFrame(b""))) is SubFrame


def test_the_last_one_counts_and_a_library_that_comes_later_does_not_undo_it(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    farside.register_reducer(memoryview, lambda _: (int, ("1",)))
    farside.register_reducer(memoryview, lambda _: (int, ("2",)))
    monkeypatch.setitem(sys.modules, "tests.one_more", farside)
    assert way.carry([memoryview(b"abc")]) == [2]


def test_it_comes_before_farsides_own_and_copyreg(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, np.ndarray, lambda _: (int, ("1",)))
    array = np.arange(SIZE)
    assert way.carry(array) == 1
    farside.register_reducer(np.ndarray, lambda _: (int, ("2",)))
    assert way.carry(array) == way.carry([array])[0] == 2


NEVER = [dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, bool, type(None)]


@pytest.mark.parametrize("cls", [*NEVER, type, type(lambda: 1), pickle.PickleBuffer])
def test_classes_that_pickle_handles_by_itself(cls: type) -> None:
    with pytest.raises(TypeError, match=rf"cls={cls.__name__}: pickle asks no reducer .* subclass"):
        farside.register_reducer(cls, reduce_frame)


def test_every_other_class_is_asked_for(way: Way) -> None:
    sent: Any
    for sent in (complex(1, 2), slice(1), range(3), OrderedDict(), ..., NotImplemented, min):
        farside.register_reducer(type(sent), lambda _: (str, ("mine",)))
        assert way.carry([sent]) == ["mine"]


def test_arguments() -> None:
    wrong: Any = Frame(b"")
    with pytest.raises(TypeError, match=r"cls=<.*Frame.*> is not a class; pass .* type\(x\)"):
        farside.register_reducer(wrong, reduce_frame)
    with pytest.raises(TypeError, match=r"reduce=<.*Frame.*> cannot be called; pass a function"):
        farside.register_reducer(Frame, wrong)


def test_workers_of_every_kind(kind: Kind) -> None:
    with kind.start(partial(Frames, 3), initializer=registering.register) as frames:
        got = [bytes(frame.contents) for frame in frames]
        assert got == [bytes([number]) * SIZE for number in range(3)]
        assert frames.call("make").contents == b"M"
        registering.register()
        assert frames.call("first", Frame(b"abc")) == ord("a")


def test_in_the_middle_of_a_pass(kind: Kind) -> None:
    with kind.start(partial(Late, 2)) as frames:
        _, *late = frames
    assert [frame.contents[0] for frame in late] == [0, 1]


def test_what_holds_in_the_parent_does_not_hold_in_a_new_worker(kind: Kind) -> None:
    if kind.name == "fork":
        return  # it has what its parent had
    registering.register()
    with kind.start(partial(Frames, 1)) as frames:
        with pytest.raises(farside.NotPicklableError, match="Frame"):
            list(frames)
