"""Real tensors. It needs PyTorch, so pytest runs this file where it is named: in tox's torch."""

import pickle
import sys
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest
import torch

import farside
from farside._parent.passes.fingerprint import fingerprint
from farside._payload import tensors
from farside._payload.anchors import is_comparable, of_item
from farside._payload.encoder import Encoder
from farside._payload.items import Stored
from tests.children import run_python
from tests.kinds import SUBPROCESSES, Kind

LARGE = 40_000
KINDS = [kind for kind in SUBPROCESSES if kind.name != "fork"]
"""The threads that torch calculates with do not survive a fork, and then it waits for them."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of worker that torch works in."""
    chosen: Kind = request.param
    return chosen


def sent(item: object) -> tuple[Any, list[int]]:
    """Pickle an item and load it; return it and the sizes of its buffers."""
    entry = Encoder(None).encode(item)
    if isinstance(entry, bytes):
        return pickle.loads(entry), []
    assert isinstance(entry, Stored)
    stream, *buffers = (bytearray(cast("Any", place)) for place in entry.places)
    return pickle.loads(stream, buffers=buffers), [len(buffer) for buffer in buffers]


def raw(tensor: Any) -> bytes:
    tensor = tensor.resolve_conj().resolve_neg()
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


def same(one: Any, other: Any) -> bool:
    """Tell whether two tensors are alike, in all but where they lie."""
    return (
        type(one) is type(other)
        and one.dtype == other.dtype
        and one.shape == other.shape
        and one.requires_grad == other.requires_grad
        and raw(one) == raw(other)
    )


@pytest.mark.parametrize("name", sorted(tensors._DTYPES))
@pytest.mark.parametrize("count", [0, 1, 7, LARGE])
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_every_type(name: str, count: int) -> None:
    dtype = getattr(torch, name.removeprefix("torch."))
    width = torch.empty(1, dtype=dtype).element_size()
    pattern = torch.arange(count * width).remainder(2).to(torch.uint8)
    tensor = pattern.view(dtype) if count else torch.empty(0, dtype=dtype)
    received, buffers = sent(tensor)
    assert same(received, tensor)
    assert buffers == [count * width] * (count == LARGE)
    assert received.is_contiguous()


def pixels() -> Any:
    return torch.arange(2 * 3 * 64 * 64, dtype=torch.float32).reshape(2, 3, 64, 64)


DENSE = {
    "contiguous": pixels(),
    "transposed": torch.arange(LARGE).reshape(200, 200).T,
    "permuted": pixels().permute(1, 3, 0, 2),
    "channels last": pixels().to(memory_format=torch.channels_last),
    "part": torch.arange(LARGE)[77:20_000],
    "reshaped": torch.arange(LARGE).reshape(1, 200, 1, 200),
    "detached": torch.ones(LARGE, requires_grad=True).detach(),
    "shared by torch": torch.ones(LARGE).share_memory_(),
    "made in inference mode": torch.inference_mode()(torch.ones)(LARGE),
}


@pytest.mark.parametrize("tensor", DENSE.values(), ids=DENSE)
def test_dense_tensors_keep_their_layout(tensor: Any) -> None:
    received, buffers = sent(tensor)
    assert same(received, tensor)
    assert received.stride() == tensor.stride()
    assert buffers == [tensor.numel() * tensor.element_size()]


@pytest.mark.parametrize("way", ["by NumPy", "by torch"])
@pytest.mark.parametrize("dtype", ["int64", "bfloat16", "bool", "complex128"])
def test_others_are_made_contiguous(dtype: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "by torch":
        monkeypatch.delitem(sys.modules, "numpy", raising=False)
    whole = torch.arange(LARGE).remainder(3).to(getattr(torch, dtype))
    for tensor in (whole[::2], whole.reshape(200, 200)[:, 3:150]):
        received, buffers = sent(tensor)
        assert same(received, tensor)
        assert received.is_contiguous()
        assert buffers == [tensor.numel() * tensor.element_size()]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0, 2), (1,), (1, 1)])
def test_odd_shapes(shape: tuple[int, ...]) -> None:
    tensor = torch.full(shape, 7.0)
    received, _ = sent(tensor)
    assert same(received, tensor)


class Subclass(torch.Tensor):  # type: ignore[misc]  # of type Any where torch is missing
    """What this becomes is decided by torch."""


def attributed() -> Any:
    tensor = torch.ones(LARGE)
    tensor.note = "kept"
    return tensor


def test_an_attribute_is_kept() -> None:
    received, _ = sent(attributed())
    assert received.note == "kept"


SPECIAL = {
    "parameter": torch.nn.Parameter(torch.ones(LARGE)),
    "with a gradient": torch.ones(LARGE, requires_grad=True),
    "subclass": torch.ones(LARGE).as_subclass(Subclass),
    "expanded": torch.ones(3).expand(LARGE, 3),
    "conjugate": torch.full((LARGE,), 1j).conj(),
    "negated": torch.full((LARGE,), 1j).conj().imag,
    "with an attribute": attributed(),
}


@pytest.mark.parametrize("tensor", SPECIAL.values(), ids=SPECIAL)
def test_special_ones_are_left_to_torch_but_for_their_storages(tensor: Any) -> None:
    received, buffers = sent(tensor)
    assert same(received.detach(), tensor.detach())
    assert type(received) is type(tensor)
    assert received.requires_grad == tensor.requires_grad
    assert received.is_conj() == tensor.is_conj()
    assert received.stride() == tensor.stride()
    nbytes = tensor.untyped_storage().nbytes()
    assert buffers == [nbytes] * (nbytes > LARGE)


@pytest.mark.parametrize("tensor", SPECIAL.values(), ids=SPECIAL)
def test_equal_ones_have_equal_digests_wherever_they_lie(tensor: Any) -> None:
    other = pickle.loads(pickle.dumps(tensor))
    assert other.data_ptr() != tensor.data_ptr()
    assert of_item(tensor, Encoder(None)) == of_item(other, Encoder(None))


def test_the_fingerprint_of_tensors_tells_what_is_in_them_and_not_where_they_lie() -> None:
    shards, others = (torch.arange(20).split(5) for _ in range(2))
    assert fingerprint(shards) == fingerprint(others)
    assert fingerprint(shards) != fingerprint([each + 1 for each in others])


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_types_that_torch_alone_pickles_in_vain_arrive() -> None:
    for tensor in (torch.ones(5).to(torch.uint16).expand(3, 5), torch.ones(0).to(torch.uint16)):
        assert same(sent(tensor)[0], tensor)
    storages = [torch.ones(3).untyped_storage(), torch.ones(3).storage()]
    received, _ = sent(storages)
    assert [*map(type, received)] == [*map(type, storages)]
    assert [each.tolist() for each in received] == [[0, 0, 128, 63] * 3, [1.0] * 3]


class OnGpu:
    """It crosses as torch pickles a storage on a GPU, with its address."""

    def __reduce__(self) -> Any:
        return torch.ones(3).untyped_storage().__reduce__()


def test_what_is_pickled_with_its_address_is_not_compared() -> None:
    assert not is_comparable([OnGpu()], Encoder(None))
    assert is_comparable([torch.ones(3).expand(3, 3)], Encoder(None))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_other_layouts_and_devices_are_left_to_torch() -> None:
    sparse = torch.eye(3).to_sparse()
    received, _ = sent([sparse, torch.ones(3, device="meta")])
    assert received[0].layout is torch.sparse_coo
    assert torch.equal(received[0].to_dense(), torch.eye(3))
    assert received[1].device.type == "meta"


def sparse(layout: str, start: int = 0) -> Any:
    dense = torch.zeros(200, 400)
    dense[:, ::4] = torch.arange(start, start + 20_000).reshape(200, 100) + 1.0
    if layout == "sparse_coo":
        return dense.to_sparse()
    block = (2, 2) if layout in {"sparse_bsr", "sparse_bsc"} else None
    return dense.to_sparse(layout=getattr(torch, layout), blocksize=block)


SPARSE = ["sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"]
QUIET = "ignore:Sparse (invariant checks|.* tensor support is in beta)"


@pytest.mark.parametrize("layout", SPARSE)
@pytest.mark.filterwarnings(QUIET)
def test_sparse_tensors_arrive_whole_and_go_when_they_are_dropped(layout: str) -> None:
    tensor = sparse(layout)
    noted = sparse(layout)
    noted.note = "kept"
    for each in (tensor, noted):
        received, buffers = sent(each)
        assert type(received) is type(each)
        assert received.layout is each.layout
        assert vars(received) == vars(each)
        assert torch.equal(received.to_dense(), each.to_dense())
        assert sum(buffers) >= 80_000
        ended = weakref.ref(received)
        del received
        assert ended() is None
    if layout == "sparse_coo":
        assert sent(tensor)[0].is_coalesced()
        twice = torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,))
        assert not sent(twice)[0].is_coalesced()


def sparse_items(count: int) -> Iterator[Any]:
    for number in range(count):
        yield {"matrix": sparse("sparse_coo", number), "made": (lambda: 1) if number % 2 else 1}


@pytest.mark.filterwarnings(QUIET)
def test_sparse_tensors_of_a_worker_are_freed(kind: Kind) -> None:
    with kind.start(partial(sparse_items, 4)) as items:
        firsts, ended = [], []
        for item in items:
            firsts.append(item["matrix"].to_dense()[0, 0])
            ended.append(weakref.ref(item["matrix"]))
        del item
        assert [each() for each in ended] == [None] * 4
    assert firsts == [1, 2, 3, 4]


def test_the_same_tensor_twice_is_one() -> None:
    tensor = torch.ones(LARGE)
    received, buffers = sent([tensor, tensor])
    assert received[0] is received[1]
    assert len(buffers) == 1


def test_tensors_that_share_memory_become_independent() -> None:
    tensor = torch.zeros(LARGE)
    received, buffers = sent([tensor, tensor[: LARGE // 2], tensor.view(2, -1)])
    assert len(buffers) == 3
    received[0].fill_(1)
    assert not received[1].any()
    assert not received[2].any()


def test_a_default_device_is_no_concern() -> None:
    entry = Encoder(None).encode([torch.ones(3), torch.ones(0)])
    assert isinstance(entry, bytes)
    torch.set_default_device("meta")
    try:
        received = pickle.loads(entry)
    finally:
        torch.set_default_device(None)
    assert [each.device.type for each in received] == ["cpu", "cpu"]


def batches(count: int) -> Iterator[Any]:
    reused = torch.empty(100_000)
    for number in range(count):
        reused.fill_(number)
        yield {"number": number, "reused": reused, "label": torch.tensor(number)}


def test_tensors_of_a_worker_are_snapshots_and_writable(kind: Kind) -> None:
    with kind.start(partial(batches, 20)) as items:
        received = list(items)
    for number, item in enumerate(received):
        assert item["number"] == number == item["label"]
        assert torch.equal(item["reused"], torch.full((100_000,), float(number)))
        item["reused"].fill_(-1)


def on_allocated_memory(count: int) -> Iterator[Any]:
    for number in range(count):
        tensor = torch.frombuffer(farside.allocate(400_000), dtype=torch.float32)
        tensor.fill_(number)
        yield tensor.view(100, -1)
        tensor[0] = -1  # the parent may see it, which shows that nothing was copied
    yield None


def test_tensors_on_allocated_memory_are_handed_over(kind: Kind) -> None:
    with kind.start(partial(on_allocated_memory, 5)) as items:
        *received, _ = items
    for number, tensor in enumerate(received):
        assert tensor[0, 0] == -1
        assert tensor[1:].eq(number).all()


def test_more_tensors_than_the_arena_holds(kind: Kind) -> None:
    with kind.start(partial(on_allocated_memory, 300), arena_bytes=1 << 23) as items:
        for number, tensor in enumerate(items):
            if tensor is not None:
                assert tensor[5, 5] == number


AT_EXIT = """\
import sys
from functools import partial
import torch
from farside import iterate_in_subprocess
from tests.payload.check_tensors import on_allocated_memory

items = iterate_in_subprocess(partial(on_allocated_memory, 3), mp_context="spawn")
kept = sys.kept = list(items)
cycle = [kept[0].view(-1)[7:]]
cycle.append(cycle)
"""


def test_tensors_that_are_left_at_exit_are_silent() -> None:
    assert run_python(AT_EXIT) == ""
