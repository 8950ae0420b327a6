"""How PyTorch is noticed and what picklers then know: with a stand-in, for torch is large.

What becomes of real tensors is in `check_tensors`.
"""

import copyreg
import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

from farside._payload import tensors
from farside._payload.encoder import Encoder
from tests.worker.test_imports import imported_by


class FakeTensor:
    """A tensor that is not plain, so that its own reducer is asked."""

    layout = "sparse"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return str, (f"by torch, protocol {protocol}",)


class Parameter(FakeTensor):
    """A subclass, which is torch's own business."""

    def __reduce__(self) -> tuple[Any, ...]:
        return str, ("a parameter",)

    def __reduce_ex__(self, _protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


class Newer(FakeTensor):
    """A tensor of a release that lacks what the reducer asks for, or has it no more."""

    layout = "strided"


class Late:
    """Somebody registers a reducer for it, at some time."""


def _second(_late: Late) -> Any:
    return str, ("second",)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Let torch be imported."""
    module = ModuleType("torch")
    vars(module).update(Tensor=FakeTensor, strided="strided")
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


def encoded(encoder: Encoder, item: object) -> Any:
    entry = encoder.encode(item)
    assert isinstance(entry, bytes)
    return pickle.loads(entry)


def test_what_is_not_plain_is_left_to_torch(torch: ModuleType) -> None:
    assert encoded(Encoder(None), [torch.Tensor()]) == ["by torch, protocol 5"]


@pytest.mark.usefixtures("torch")
def test_so_are_subclasses() -> None:
    assert encoded(Encoder(None), Parameter()) == "a parameter"


def test_torch_is_noticed_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    seen: list[object] = []

    def reduce(tensor: object) -> Any:
        seen.append(tensor)
        return str, ("here",)

    monkeypatch.setattr(tensors, "reduce_tensor", reduce)
    encoder = Encoder(None)
    assert encoded(encoder, FakeTensor()) == "by torch, protocol 5"
    module = ModuleType("torch")
    monkeypatch.setitem(sys.modules, "torch", module)
    assert encoded(encoder, FakeTensor()) == "by torch, protocol 5"  # it has no tensors yet
    vars(module).update(Tensor=FakeTensor)
    assert encoded(encoder, FakeTensor()) == "here"
    assert len(seen) == 1


@pytest.mark.usefixtures("torch")
def test_what_is_registered_with_copyreg_holds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(None)
    assert isinstance(encoded(encoder, Late()), Late)
    monkeypatch.setitem(copyreg.dispatch_table, Late, lambda _: (str, ("first",)))
    assert encoded(encoder, [Late(), Late()]) == ["first", "first"]
    copyreg.pickle(Late, _second)
    assert encoded(encoder, Late()) == "second"
    monkeypatch.delitem(copyreg.dispatch_table, Late)
    assert isinstance(encoded(encoder, Late()), Late)


@pytest.mark.usefixtures("torch")
def test_ordinary_items_are_as_they_were() -> None:
    encoder = Encoder(None)
    for item in (1 << 70, "text" * 100, {"a": [1, (2, {3})]}, range(3), 3j):
        assert encoded(encoder, item) == item


def test_a_worker_without_torch_imports_nothing_of_it() -> None:
    imported = imported_by(
        "from farside._payload.encoder import Encoder; Encoder(None).encode(range(3))"
    )
    assert not imported & {"torch", "ctypes", "farside._payload.tensors"}


def test_a_tensor_of_a_release_that_has_renamed_things(torch: ModuleType) -> None:
    vars(torch).update(Tensor=Newer)
    assert encoded(Encoder(None), Newer()) == "by torch, protocol 5"
