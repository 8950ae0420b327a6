"""What a DataLoader does, without PyTorch; `tests.real.test_torch` compares it with that."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import warnings
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import farside
from farside import (
    ExhaustedIteratorWarning,
    ReplayDivergedError,
    map_in_workers,
    merge_states,
)
from farside._parent import several
from farside._worker import loader as loader_module
from farside._worker.loader import _shuffled
from farside._worker.samplers import alike
from farside.torch import RemoteLoader, data_loader
from tests.loading_jobs import (
    CountsEpochs,
    DiesOnce,
    Draws,
    DrawsEpoch,
    Halves,
    HasFewEpochs,
    HasNoEpoch,
    ImportsLate,
    Itself,
    Kinds,
    ManyAtOnce,
    Miscounts,
    MixesItself,
    Noise,
    Once,
    Pairs,
    Part,
    Refuses,
    ShufflesItself,
    ShufflesLate,
    Squares,
    StreamsEpoch,
    Table,
    TellsEpoch,
    Told,
    ToldPart,
    Unmeasured,
    Unseeded,
    UsedUp,
    pretend_torch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKERS = [0, 1, 3]


def batches_of(dataset: Any, *args: Any, passes: int = 1, **options: Any) -> list[list[Any]]:
    with data_loader(dataset, *args, collate_fn=list, **options) as loader:
        return [list(loader) for _ in range(passes)]


def test_two_attributes_of_a_data_loader() -> None:
    """Loops of PyTorch's tutorials divide by ``len(loader.dataset)``."""
    squares = Squares(4)
    for given, size in (({"batch_size": 3}, 3), ({"batch_sampler": [[0]]}, None), ({}, 1)):
        with data_loader(squares, collate_fn=list, **given) as loader:
            assert isinstance(loader, RemoteLoader)
            assert (loader.dataset, loader.batch_size) == (squares, size)


class Index:
    """A whole number that is no ``int``, as those of NumPy are."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


@pytest.mark.parametrize(("given", "items"), [(-1, -1), (3, 6), (None, None)])
def test_a_buffer_holds_batches_and_the_ends_of_their_shards(
    given: int | None, items: int | None
) -> None:
    sizes: list[Any] = [given] if given is None else [given, Index(given)]
    for size in sizes:
        with data_loader(Squares(4), collate_fn=list, buffer_size=size) as loader:
            assert loader._current.options.buffer_size == items


@pytest.mark.parametrize("num_workers", WORKERS)
@pytest.mark.parametrize("kind", [Squares, ManyAtOnce])
def test_batches(num_workers: int, kind: type[Squares]) -> None:
    options = {"num_workers": num_workers}
    assert batches_of(kind(5), 2, **options) == [[[0, 1], [4, 9], [16]]]
    assert batches_of(kind(5), 2, drop_last=True, **options) == [[[0, 1], [4, 9]]]
    assert batches_of(kind(0), 2, **options) == [[]]
    assert batches_of(kind(2), 2, None, **options) == [[[0, 1]]]


def test_samples_without_batches() -> None:
    with data_loader(Squares(3), None, num_workers=1, collate_fn=str) as loader:
        assert len(loader) == 3
        assert list(loader) == ["0", "1", "4"]


def test_its_length_is_that_of_the_batches() -> None:
    for samples, drop_last, expected in [(5, False, 3), (5, True, 2), (0, False, 0)]:
        with data_loader(Squares(samples), 2, drop_last=drop_last, collate_fn=list) as loader:
            assert len(loader) == expected


def test_each_epoch_has_an_order_of_its_own_for_any_number_of_workers() -> None:
    found = [
        batches_of(Squares(20), 3, True, num_workers=each, seed=7, passes=2) for each in WORKERS
    ]
    assert found[0] == found[1] == found[2]
    first, second = ([sample for batch in each for sample in batch] for each in found[0])
    assert first != second
    assert sorted(first) == sorted(second) == [number**2 for number in range(20)]
    assert batches_of(Squares(20), 3, True, seed=8) != found[0][:1]


@pytest.mark.parametrize("name", ["sampler", "batch_sampler"])
def test_a_sampler_gives_the_same_order_for_any_number_of_workers(name: str) -> None:
    sampler: Any = Draws(range(20, 30), 7)
    sizes = {"batch_size": 3} if name == "sampler" else {}
    if name == "batch_sampler":
        sampler = Pairs(sampler)
    options = {name: sampler, **sizes, "seed": 7, "passes": 2}
    found = [batches_of(Squares(30), num_workers=each, **options) for each in WORKERS]
    assert found[0] == found[1] == found[2]
    first, second = found[0]
    assert first != second
    drawn = [sample for batch in [*first, *second] for sample in batch]
    assert len(drawn) == 14
    assert set(drawn) <= {number**2 for number in (0, 1, *range(20, 30))}


def test_a_sampler_is_told_the_epoch_and_asked_anew_after_a_resume() -> None:
    sampler = Draws(range(9), 4)
    with data_loader(Squares(9), 2, False, sampler, collate_fn=list, seed=1) as loader:
        assert len(loader) == 2
        passes = [list(loader) for _ in range(3)]
        assert [each[0][0] for each in passes] == [0, 1, 4]
        assert sampler.epoch == 0  # a copy was told
    with data_loader(Squares(9), 2, False, sampler, collate_fn=list, seed=1) as loader:
        assert [list(loader), list(loader)] == passes[:2]
        assert next(iter(loader)) == passes[2][0]
        state = loader.state_dict()
    with data_loader(Squares(9), 2, False, sampler, collate_fn=list, num_workers=1) as loader:
        loader.load_state_dict(state)
        assert list(loader) == passes[2][1:]


def test_the_generators_of_the_program_are_left_alone_by_a_sampler() -> None:
    random.seed(3)
    expected = random.random()  # noqa: S311
    random.seed(3)
    batches_of(Squares(9), sampler=Draws(range(9), 4), num_workers=0)
    assert random.random() == expected  # noqa: S311


@pytest.mark.parametrize(("told", "batches"), [(3, "2 batches"), (1, "2 batches or more")])
def test_a_sampler_that_gives_another_number_than_it_tells(told: int, batches: str) -> None:
    with (
        data_loader(Squares(9), 1, sampler=Miscounts(2, told), collate_fn=list) as loader,
        pytest.raises(ValueError, match=f"sampler gives {batches}.*its len.. was that of {told}"),
    ):
        list(loader)


@pytest.mark.parametrize("name", ["sampler", "batch_sampler"])
def test_a_sampler_that_draws_another_order_in_each_worker_is_refused(name: str) -> None:
    sampler: Any = Unseeded(range(1 << 20), 7)
    if name == "batch_sampler":
        sampler = Pairs(sampler)
    with (
        data_loader(Squares(1 << 20), collate_fn=list, num_workers=2, **{name: sampler}) as loader,
        pytest.raises(ValueError, match=f"^{name} gives another order when it is asked again"),
    ):
        list(loader)


@pytest.mark.parametrize("name", ["sampler", "batch_sampler"])
@pytest.mark.parametrize("num_workers", WORKERS)
def test_a_sampler_that_counts_its_epochs_itself_is_refused(num_workers: int, name: str) -> None:
    sampler: Any = CountsEpochs(range(5), 5)
    if name == "batch_sampler":
        sampler = Pairs(sampler)
    options = {"collate_fn": list, "num_workers": num_workers, name: sampler}
    with (
        data_loader(Squares(5), **options) as loader,
        pytest.raises(ValueError, match=f"^{name} changes its order by what it has done before"),
    ):
        list(loader)


@pytest.mark.parametrize("name", ["sampler", "batch_sampler"])
def test_a_sampler_that_cannot_be_copied_is_refused(name: str) -> None:
    sampler: Any = CountsEpochs(range(5), 5)
    sampler.lock = threading.Lock()  # with fork, it need not be pickled
    if name == "batch_sampler":
        sampler = Pairs(sampler)
    options = {"collate_fn": list, "mp_context": get_context("fork"), name: sampler}
    with (
        data_loader(Squares(5), num_workers=2, **options) as loader,
        pytest.raises(TypeError, match=f"^{name}=<.*> cannot be copied .*lock.*; let it make in"),
    ):
        list(loader)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_a_sampler_may_shuffle_its_own_list_by_a_seeded_generator(count: int) -> None:
    for seed in range(8):  # with few numbers, two epochs have the same order by chance
        sampler = ShufflesItself(range(count), count)
        [found] = batches_of(range(count), sampler=sampler, seed=seed)
        assert sorted(chain.from_iterable(found)) == [*range(count)]


def test_a_sampler_may_have_one_pass_since_it_is_copied() -> None:
    sampler = UsedUp(range(3), 3)
    assert batches_of(range(3), 3, sampler=sampler, passes=2) == [[[0, 1, 2]]] * 2


def test_a_sampler_may_have_an_epoch_that_is_the_last() -> None:
    sampler = HasFewEpochs(range(3), 3)
    assert batches_of(range(3), 3, sampler=sampler, passes=2) == [[[0, 1, 2]]] * 2
    with data_loader(range(3), 3, sampler=sampler, collate_fn=list) as loader:
        loader.set_epoch(1)
        assert list(loader) == [[0, 1, 2]]


def test_a_state_of_another_sampler_is_refused() -> None:
    with data_loader(Squares(9), sampler=[1, 2], collate_fn=list) as loader:
        state = loader.state_dict()
    others: list[tuple[dict[str, Any], str]] = [
        ({}, "has batches=2, and this iterable has 9"),
        ({"sampler": [1, 2, 3]}, "has batches=2, and this iterable has 3"),
        ({"batch_sampler": [[1], [2]]}, "was saved with other batches"),
    ]
    for other, told in others:
        with (
            data_loader(Squares(9), collate_fn=list, **other) as loader,
            pytest.raises(ValueError, match=f"the state {told}"),
        ):
            loader.load_state_dict(state)


@pytest.mark.parametrize("num_workers", WORKERS)
@pytest.mark.parametrize(
    "order", [{"sampler": "abc", "batch_size": 2}, {"batch_sampler": ["ab", "c"]}]
)
def test_a_sampler_chooses_from_a_data_set_without_a_length(
    num_workers: int, order: dict[str, Any]
) -> None:
    options = {"num_workers": num_workers, **order}
    assert batches_of(Unmeasured(), **options) == [[["aa", "bb"], ["cc"]]]


def test_a_plain_list_is_a_sampler() -> None:
    assert batches_of(Squares(9), 2, sampler=[3, 1, 2], num_workers=2) == [[[9, 1], [4]]]
    assert batches_of(Squares(9), batch_sampler=[[3], [1, 2]]) == [[[9], [1, 4]]]


def test_a_sampler_may_give_arrays() -> None:
    np = pytest.importorskip("numpy")
    rows = [np.array([3, 1]), np.array([2]), np.array([0, 4])]
    with data_loader(Squares(9), None, False, rows, num_workers=2, collate_fn=list) as loader:
        assert list(loader) == [[9, 1], [4], [0, 16]]
    assert batches_of(Squares(9), batch_sampler=rows) == [[[9, 1], [4], [0, 16]]]


@pytest.mark.parametrize("last", [4, 5])
def test_orders_of_arrays_are_compared(last: int) -> None:
    np = pytest.importorskip("numpy")

    def order(last: int) -> Any:
        rows = np.array([3, last])
        return [rows, [rows, (1, rows)], [{"rows": rows}], [np.array([[1, last]])]]

    assert alike(order(4), order(last)) == (last == 4)
    for one, other in zip(order(4), order(last), strict=True):
        assert alike([one], [other]) == (last == 4)
    assert not alike([np.array([1, 2])], [np.array([1, 2]), np.array([3, 4])])
    assert not alike([np.array([1, 2])], [7])


def test_transforms_draw_the_same_for_any_number_of_workers() -> None:
    one, two = (batches_of(Noise(10), 2, num_workers=each, seed=7, passes=2) for each in (1, 2))
    assert one == two
    drawn = [number for each in one for batch in each for _, number in batch]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("where", ["sample", "epoch"])
def test_they_do_so_where_they_import_a_library_as_they_draw(where: str) -> None:
    """Else the first batch of each worker would be another one, also after a restart."""
    pytest.importorskip("numpy")
    one, two = (batches_of(ImportsLate(4, where), 1, num_workers=n, seed=7) for n in (1, 2))
    assert one == two
    drawn = {number for [batch] in [one] for [(_, number)] in batch}
    assert len(drawn) == {"sample": 4, "epoch": 1}[where]


@pytest.mark.parametrize("num_workers", WORKERS)
def test_a_sampler_may_import_a_library_as_it_draws(num_workers: int) -> None:
    pytest.importorskip("numpy")
    [order] = batches_of(range(8), num_workers=num_workers, sampler=ShufflesLate(), seed=7)
    assert sorted(order) == [[each] for each in range(8)]


def test_the_generators_of_the_program_are_left_alone() -> None:
    random.seed(3)
    expected = random.random()  # noqa: S311
    random.seed(3)
    assert batches_of(Squares(2), 1, num_workers=0) == [[[0], [1]]]
    assert random.random() == expected  # noqa: S311


@pytest.mark.parametrize("num_workers", [1, 2])
def test_ranks_have_each_batch_once_and_as_many(num_workers: int) -> None:
    def of_rank(rank: int) -> list[Any]:
        with data_loader(
            Squares(7),
            2,
            shuffle=True,
            drop_last=True,
            collate_fn=list,
            seed=1,
            num_workers=num_workers,
            rank=rank,
            world_size=2,
        ) as loader:
            assert len(loader) == 1
            return list(loader)

    alone = batches_of(Squares(7), 2, True, drop_last=True, seed=1)[0]
    assert of_rank(0) + of_rank(1) == alone[:2]


@pytest.mark.parametrize("dataset", [Told(4), ToldPart(4)], ids=["index", "iterable"])
def test_torch_tells_the_data_set_in_a_worker(dataset: Any) -> None:
    found = batches_of(dataset, 1, num_workers=2, initializer=pretend_torch)
    assert found == [[[True]] * 4]


@pytest.mark.parametrize("num_workers", WORKERS)
def test_a_data_set_without_an_index_reads_its_part(num_workers: int) -> None:
    found = batches_of(Part(10), 2, num_workers=num_workers, passes=2)
    assert found[0] == found[1]
    assert sorted(each for batch in found[0] for each in batch) == list(range(10))
    assert {len(batch) for batch in found[0]} <= {1, 2}
    assert all(len(batch) == 2 for batch in batches_of(Part(9), 2, drop_last=True)[0])
    with data_loader(Part(3), None, num_workers=1, collate_fn=str) as loader:
        assert list(loader) == ["0", "1", "2"]
        with pytest.raises(TypeError, match="only as they come; pass length, if you know it"):
            len(loader)
    with data_loader(Part(3), 2, length=2, collate_fn=list) as loader:
        assert len(loader) == len(list(loader)) == 2


@pytest.mark.parametrize("size", [None, 2])
def test_a_data_set_may_be_its_own_iterator(size: int | None) -> None:
    with data_loader(
        Itself(3), size, num_workers=0, collate_fn=list[int] if size else str
    ) as loader:
        for _ in range(2):
            assert list(islice(loader, 5)) == ([[0, 1], [2]] if size else ["0", "1", "2"])


@pytest.mark.parametrize("num_workers", WORKERS)
def test_a_data_set_that_is_used_up_is_told_of(num_workers: int) -> None:
    options: Any = {"collate_fn": list, "num_workers": num_workers}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with data_loader(Itself(2), 2, **options) as loader:
            [expected, again] = [list(loader) for _ in range(2)]
        with data_loader(Once(2), 2, **options) as loader:  # a third worker never has any sample
            assert list(loader) == expected == again
            assert not caught
            assert list(loader) == []
    assert {each.category for each in caught} == {ExhaustedIteratorWarning}
    assert len(caught) == min(2, max(1, num_workers))
    assert str(caught[0].message).startswith("this epoch has no samples: the data set is its own")


def test_a_state_goes_on_with_other_workers() -> None:
    with data_loader(Squares(20), 3, True, collate_fn=list, num_workers=2, seed=7) as loader:
        expected = list(loader)
    with data_loader(Squares(20), 3, True, collate_fn=list, num_workers=2, seed=7) as loader:
        before = list(islice(loader, 3))
        state = loader.state_dict()
    with data_loader(Squares(20), 3, True, collate_fn=list, num_workers=1) as loader:
        loader.load_state_dict(state)
        assert before + list(loader) == expected


def test_a_state_of_a_loader_of_0_2_0_goes_on() -> None:
    """It is of version 1, and that release drew the same order."""
    with data_loader(Squares(20), 3, True, collate_fn=list, seed=7) as loader:
        batches = list(loader)
    with data_loader(Squares(20), 3, True, collate_fn=list, seed=7) as loader:
        before = list(islice(loader, 3))
        state = {**loader.state_dict(), "farside": 1}
    assert before[:2] == [[0, 169, 4], [36, 289, 64]]  # as in 0.2.0
    with data_loader(Squares(20), 3, True, collate_fn=list) as loader:
        loader.load_state_dict(state)
        assert before + list(loader) == batches


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("sizes", [(3, 1), (3, 2), (4, 3, 1), (3, 4, 2), (2, 4, 3, 5, 1)])
def test_a_state_goes_on_with_other_ranks(sizes: tuple[int, ...], *, in_order: bool) -> None:
    """None comes twice, and one rank alone gets what others have left out."""
    found: list[Any] = []
    merged: Any = None
    for ranks in sizes:
        states = []
        for rank in range(ranks):
            with data_loader(
                Squares(45),
                2,
                True,
                collate_fn=list,
                num_workers=1 + rank,
                backend="inline",
                seed=7,
                rank=rank,
                world_size=ranks,
                in_order=in_order,
            ) as loader:
                assert len(loader) == 23 // ranks
                if merged is not None:
                    loader.load_state_dict(merged)
                found += list(loader) if ranks == 1 else list(islice(loader, 1))
                states.append(loader.state_dict())
        merged = merge_states(json.loads(json.dumps(states)))
    samples = [sample for batch in found for sample in batch]
    assert len(samples) == len(set(samples))
    if sizes[-1] == 1:
        assert sorted(samples) == [number**2 for number in range(45)]


GAPS = [[0, 1], [3, 4], [6, 7], [9, 13]]
LEFT = [[number**2] for number in (1, 2, 4, 5, 7, 8, *range(13, 70))]


def with_gaps(loader: Any) -> Any:
    """Return a state as it is where batches have come as they were done."""
    return {**loader.state_dict(), "ended": GAPS, "in_order": False}


@pytest.mark.parametrize("num_workers", WORKERS)
def test_the_rest_comes_in_order_whichever_batches_are_missing(num_workers: int) -> None:
    options: dict[str, Any] = {"collate_fn": list, "num_workers": num_workers}
    with data_loader(Squares(70), 1, **options) as loader:
        loader.load_state_dict(with_gaps(loader))
        first = list(islice(loader, 3))
        state = loader.state_dict()
        loader.load_state_dict(state)
        assert first + list(loader) == LEFT
        assert list(loader) == [[number**2] for number in range(70)], "of the next epoch, all"
    with data_loader(Squares(70), 1, **{**options, "num_workers": 2}) as loader:
        loader.load_state_dict(state)
        assert first + list(loader) == LEFT


@pytest.mark.parametrize("at", [5, 8, 40])
def test_so_it_does_after_the_death_of_a_worker(tmp_path: Path, at: int) -> None:
    options: dict[str, Any] = {"collate_fn": list, "num_workers": 2, "max_restarts": 1}
    with data_loader(DiesOnce(70, at, str(tmp_path / "mark")), 1, **options) as loader:
        loader.load_state_dict(with_gaps(loader))
        with pytest.warns(farside.WorkerRestartedWarning):
            assert list(loader) == LEFT


def test_an_epoch_that_is_begun_once_more_has_all_batches() -> None:
    """Those that the other ranks had, and these leave out, counted as done."""
    ranks: dict[str, Any] = {"collate_fn": list, "seed": 1}
    states = []
    for rank in range(5):
        with data_loader(Squares(5), 1, rank=rank, world_size=5, **ranks) as loader:
            taken = list(islice(loader, rank == 4))
            states.append(loader.state_dict())
    assert taken == [[16]]
    with data_loader(Squares(5), 1, rank=0, world_size=2, **ranks) as loader:
        loader.load_state_dict(merge_states(states))
        assert list(loader) == [[0], [4]]
        loader.set_epoch(0)
        assert loader.state_dict()["ended"] == []


def test_calls_reach_the_data_set() -> None:
    with data_loader(Squares(3), num_workers=2, collate_fn=list) as loader:
        assert loader.call("set_epoch", 4) == [4, 4]


@pytest.mark.parametrize("kind", [TellsEpoch, StreamsEpoch])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_data_set_is_told_the_epoch(kind: Any, workers: int) -> None:
    """Also in the middle of an epoch that goes on, and by a worker that takes another's place."""
    options: dict[str, Any] = {"collate_fn": list, "num_workers": workers}
    with data_loader(kind(4), 1, **options) as loader:
        assert [list(loader) for _ in range(2)] == [[[0]] * 4, [[1]] * 4]
        loader.set_epoch(5)
        assert list(islice(loader, 2)) == [[5]] * 2
        state = loader.state_dict()
    with data_loader(kind(4), 1, **options) as loader:
        loader.load_state_dict(state)
        assert [list(loader) for _ in range(2)] == [[[5]] * 2, [[6]] * 4]


def test_what_a_data_set_draws_as_it_is_told_the_epoch_changes_no_batch() -> None:
    def noises(count: int) -> list[Any]:
        with data_loader(DrawsEpoch(4), collate_fn=list, num_workers=count, seed=1) as loader:
            return list(loader)

    assert noises(1) == noises(2)


def test_what_it_draws_then_is_the_same_in_all_workers() -> None:
    """Else some samples would come twice, and others not at all."""
    state = random.getstate()
    orders = [batches_of(MixesItself(8), passes=2, num_workers=each, seed=1) for each in WORKERS]
    assert orders == [orders[0]] * len(WORKERS)
    assert orders[0][0] != orders[0][1]
    assert [sorted(order) for order in orders[0]] == [[[each] for each in range(8)]] * 2
    assert random.getstate() == state


def test_a_data_set_without_set_epoch_may_say_so() -> None:
    assert batches_of(HasNoEpoch(2), num_workers=1) == [[[0], [1]]]


def test_no_attribute_of_the_data_set_is_hidden() -> None:
    with data_loader(Table(3), num_workers=1, collate_fn=list) as loader:
        assert loader.call("at", 2) == ["row 2"]
        assert loader.call("all") == ["all rows"]
        assert loader.call("__getattribute__", "dataset") == ["a table"]


@pytest.mark.parametrize(
    ("dataset", "options", "kind", "message"),
    [
        (Squares(3), {"batch_size": 0}, ValueError, "batch_size=0 is below 1"),
        (Squares(3), {"shuffle": 1}, TypeError, "shuffle=1 is not a bool"),
        (
            Squares(3),
            {"num_workers": -1},
            ValueError,
            "=-1 is below 0; .* or more, such as os.cpu_count",
        ),
        (Squares(3), {"sampler": iter([1])}, TypeError, "has not both .*map_in_workers"),
        (Squares(3), {"sampler": [1], "shuffle": True}, ValueError, "shuffle and sampler exclude"),
        (Squares(3), {"batch_sampler": [], "batch_size": 2}, ValueError, "leave out batch_size"),
        (
            Squares(3),
            {"sampler": [1], "world_size": 2},
            ValueError,
            "sampler and world_size=2 wi",
        ),
        (
            Squares(3),
            {"batch_sampler": Pairs(Halves(range(2), 1)), "world_size": 2, "seed": 1},
            ValueError,
            "num_replicas=2, .* world_size=2 would divide that once more; leave out one",
        ),
        (Part(3), {"sampler": [1]}, ValueError, "sampler, but dataset has no index"),
        (Squares(3), {"batch_size": None, "drop_last": True}, ValueError, "drop_last=True and ba"),
        (Squares(3), {"prefetch_factor": 2}, TypeError, "use 'buffer_size'"),
        (Squares(3), {"buffer_size": 0}, ValueError, "=0 is below 1; pass a .* of batches, 1 or"),
        (Squares(3), {"buffer_size": [3]}, TypeError, r"=\[3\] is not a whole number; .* batches"),
        (Squares(3), {"shuffle": True, "world_size": 2}, ValueError, "without seed: each rank"),
        (Squares(3), {"length": 3}, ValueError, "length=3, but dataset has an index; leave length"),
        (Part(3), {"length": -1}, ValueError, "length=-1 is below 0"),
        (Part(3), {"shuffle": True}, ValueError, "shuffle=True, but dataset has no index"),
        (Part(3), {"world_size": 2}, ValueError, "world_size=2, but dataset has no index"),
        (Squares(2), {"collate_fn": 0}, TypeError, "collate_fn=0 is not callable; pass a function"),
        (3, {}, TypeError, "dataset=3 has neither __getitem__ and __len__, nor __iter__"),
        (Squares, {}, TypeError, "Squares.* has neither .*; pass an object of this class"),
    ],
)
def test_what_is_wrong_is_told(
    dataset: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        data_loader(dataset, **options)


@pytest.fixture
def pytorch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for PyTorch, whose base class of all data sets has an index."""

    class IterableDataset(HasNoEpoch):
        def __iter__(self) -> Iterator[int]:
            return iter(range(self.length))

    data: Any = ModuleType("torch.utils.data")
    data.IterableDataset = IterableDataset
    data.default_collate, data.default_convert = tuple, repr
    torch: Any = ModuleType("torch")
    seeds: list[int] = []
    torch.manual_seed = seeds.append
    for module in (torch, data):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, "torch.utils", ModuleType("torch.utils"))
    return SimpleNamespace(data=data, seeds=seeds)


def test_what_pytorch_says_of_a_data_set_counts(pytorch: SimpleNamespace) -> None:
    with data_loader(pytorch.data.IterableDataset(3), 2) as loader:
        assert list(loader) == [(0, 1), (2,)]
    with data_loader(pytorch.data.IterableDataset(2), None) as loader:
        assert list(loader) == ["0", "1"]
    assert pytorch.seeds == []  # in this thread they are the program's own


def test_the_module_needs_no_pytorch() -> None:
    code = "import sys, farside; farside.torch.data_loader; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert "torch" not in farside.__all__


@pytest.mark.parametrize(
    ("samples", "size", "options", "told"),
    [
        (12, 2, {"shuffle": True}, "was saved with other batches"),
        (12, 3, {}, "has batches=6"),
        (10, 2, {}, "has batches=6"),
        (12, 2, {"drop_last": True}, "was saved with other batches"),
    ],
)
def test_a_state_of_other_batches_is_refused(
    samples: int, size: int, options: dict[str, Any], told: str
) -> None:
    with data_loader(Squares(12), 2, collate_fn=list, seed=1) as loader:
        state = loader.state_dict()
    with (
        data_loader(Squares(samples), size, collate_fn=list, seed=1, **options) as loader,
        pytest.raises(ValueError, match=f"the state {told}"),
    ):
        loader.load_state_dict(state)


def test_a_state_of_a_map_is_refused_and_the_functions_are_named() -> None:
    with (
        data_loader(Squares(9), collate_fn=list) as loader,
        map_in_workers(abs, [1, 2], 0) as mapped,
    ):
        message = "made by map_in_workers, and this one was made by iterate_in_workers or data_load"
        with pytest.raises(ValueError, match=message):
            loader.load_state_dict(mapped.state_dict())
        message = "made by iterate_in_workers or data_loader, and this one was made by map_in_work"
        with pytest.raises(ValueError, match=message):
            mapped.load_state_dict(loader.state_dict())


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("at", [0, 1, 4, 7])
def test_it_goes_on_at_any_place(at: int, *, in_order: bool) -> None:
    def start(workers: int) -> Any:
        return data_loader(
            Squares(15), 2, collate_fn=list, seed=1, num_workers=workers, in_order=in_order
        )

    with start(3) as loader:
        before = list(islice(loader, at))
        state = loader.state_dict()
    with start(2) as loader:
        loader.load_state_dict(state)
        found = before + list(loader)
    whole = batches_of(Squares(15), 2, seed=1)[0]
    assert (found if in_order else sorted(found)) == whole


def test_all_workers_have_something_to_do() -> None:
    for workers in (0, 1, 3, 12, 16, 20, 100):
        slots = several._even(workers)
        assert slots % max(1, workers) == 0
        assert slots >= max(workers, 9)


def test_an_attribute_of_the_data_set_can_be_read() -> None:
    with data_loader(Squares(3), num_workers=1, collate_fn=list) as loader:
        assert loader.call("__getattribute__", "length") == [3]


def test_indices_are_listed_only_where_they_are_shuffled() -> None:
    for shuffle in (False, True):
        with data_loader(Squares(9), 2, shuffle, num_workers=0, collate_fn=list) as loader:
            next(iter(loader))
            order = loader.call("__getattribute__", "_order")[0]
            assert isinstance(order, range) is not shuffle


def test_the_order_is_the_same_with_numpy_which_is_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("numpy")
    for count in (0, 1, 1000):
        by_numpy: Any = _shuffled(count, "1 2")
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "numpy")
            alone = _shuffled(count, "1 2")
        assert type(by_numpy) is not list
        assert alone == by_numpy.tolist()
        assert sorted(alone) == list(range(count))


def test_more_indices_are_shuffled_than_python_draws_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of more than 33 million it was an OverflowError, before Python 3.14."""

    class Limited(random.Random):
        def getrandbits(self, count: int) -> int:
            assert count <= 8 * 24
            return super().getrandbits(count)

    whole = list(_shuffled(50, "1 2"))
    monkeypatch.setattr(loader_module, "random", SimpleNamespace(Random=Limited))
    monkeypatch.setattr(loader_module, "_DRAWN", 24)
    assert list(_shuffled(50, "1 2")) == whole


def test_a_data_set_is_asked_for_plain_numbers() -> None:
    with data_loader(Kinds(3), 3, shuffle=True, num_workers=0, collate_fn=list) as loader:
        assert list(loader) == [["int"] * 3]


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (Squares(12), {"batch_size": 3}, "pass the same data set, shuffle, batch_size and drop_l"),
        (Squares(9), {"batch_size": 3, "seed": 2}, "pass the same data set, shuffle"),
        (Part(12), {"num_workers": 2}, "pass the same data set, num_workers, batch_size and drop"),
    ],
)
def test_a_state_of_another_loader_is_told_by_the_arguments(
    dataset: Any, options: dict[str, Any], message: str
) -> None:
    with data_loader(type(dataset)(6), 2, collate_fn=list) as loader:
        state = loader.state_dict()
    with (
        data_loader(dataset, collate_fn=list, **options) as loader,
        pytest.raises(ValueError, match=message),
    ):
        loader.load_state_dict(state)


@pytest.mark.parametrize(
    ("kind", "size", "noun"),
    [(Squares, 2, "batches"), (Squares, None, "samples"), (Part, 2, "parts")],
)
def test_a_state_of_another_number_of_batches_is_told_in_the_words_of_a_loader(
    kind: Any, size: int | None, noun: str
) -> None:
    with data_loader(kind(6), size, collate_fn=list) as loader:
        state = loader.state_dict()
    with (
        data_loader(kind(12), size, collate_fn=list, num_workers=2) as loader,
        pytest.raises(ValueError, match=rf"^the state has {noun}=\d, and this iterable has \d+; "),
    ):
        loader.load_state_dict(state)


def test_a_part_is_called_so_where_its_batches_differ() -> None:
    with data_loader(Part(12), 2, collate_fn=list) as loader:
        next(iter(loader))
        state = loader.state_dict()
        [[part, index, digest]] = state["anchors"]
        state["anchors"] = [[part, index, digest[::-1]]]
        loader.load_state_dict(state)
        with pytest.raises(ReplayDivergedError, match="index 0 of part 0 differs"):
            next(iter(loader))


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize(("size", "where"), [(2, "in batch 2"), (None, "in sample 4")])
def test_an_error_names_the_batch(size: int | None, where: str, *, in_order: bool) -> None:
    options: Any = {"num_workers": 2, "in_order": in_order, "collate_fn": refuse_sixteen}
    with (
        data_loader(Squares(9), size, **options) as loader,
        pytest.raises(ZeroDivisionError) as caught,
    ):
        list(loader)
    told = getattr(caught.value, "__notes__", ["".join(map(str, caught.value.args))])
    assert told[-1].endswith(where) or sys.version_info < (3, 11)
    assert vars(caught.value)["shard"] == int(where.rpartition(" ")[2])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no notes")
@pytest.mark.parametrize(
    ("dataset", "size", "where"),
    [(Refuses(9), 3, "index 4"), (Refuses(9), None, "index 4"), (Squares(9), 3, "indices 3, 4, 5")],
)
def test_an_error_names_the_sample(dataset: Any, size: int | None, where: str) -> None:
    for workers in (0, 1):
        with (
            data_loader(dataset, size, num_workers=workers, collate_fn=refuse_sixteen) as loader,
            pytest.raises(ZeroDivisionError) as caught,
        ):
            list(loader)
        assert vars(caught.value)["__notes__"][0] == f"at {where} of the data set"


def test_an_error_of_a_batch_without_samples_names_none() -> None:
    with (
        data_loader(Squares(9), batch_sampler=[[]], collate_fn=min) as loader,
        pytest.raises(ValueError, match="empty") as caught,
    ):
        list(loader)
    assert "of the data set" not in str(getattr(caught.value, "__notes__", ""))


def refuse_sixteen(samples: Any) -> Any:
    if 16 in (samples if isinstance(samples, list) else [samples]):
        raise ZeroDivisionError
    return samples


@pytest.mark.parametrize("workers", [0, 1])
def test_what_does_not_pickle_is_told_by_its_argument(workers: int) -> None:
    locked = Squares(3)
    locked.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(farside.NotPicklableError, match=r"^dataset=<.*make in the worker"):
        data_loader(locked, num_workers=workers, collate_fn=list)
    with pytest.raises(farside.NotPicklableError, match=r"^collate_fn="):
        data_loader(Squares(3), num_workers=workers, collate_fn=partial(list, threading.Lock()))


@pytest.mark.parametrize("rank", [0, 3])
def test_fewer_batches_than_ranks_are_told(rank: int, caplog: pytest.LogCaptureFixture) -> None:
    with data_loader([1, 2, 3], collate_fn=list, rank=rank, world_size=4) as batches:
        assert list(batches) == []
    assert "there is nothing to read here: there is no batch, or none for this" in caplog.text


def test_few_batches_are_no_reason_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    data_loader(Squares(3), 2, num_workers=3, backend="inline", collate_fn=list).close()
    assert not caplog.records


def stop(sample: Any) -> Any:
    if sample == 1:
        raise StopIteration
    return sample


@pytest.mark.parametrize("dataset", [Squares(4), Part(4)])
def test_a_collate_fn_that_stops_loses_nothing(dataset: Any) -> None:
    with (
        data_loader(dataset, None, num_workers=1, collate_fn=stop) as loader,
        pytest.raises(RuntimeError, match="StopIteration"),
    ):
        list(loader)
