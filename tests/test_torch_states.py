"""A loader goes on by the state of a data set without an index, if that has one."""

from __future__ import annotations

import gc
import json
import signal
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from farside import FarsideWarning, WorkerRestartedWarning
from farside.torch import data_loader
from tests.stream_jobs import (
    LENGTH,
    Collates,
    Dies,
    Fails,
    Itself,
    Keeps,
    Late,
    Orders,
    Ring,
    Rings,
    Stream,
    Struck,
    Uncopied,
    Walks,
    Wraps,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a file for the notes of data sets."""
    path = tmp_path / "log"
    path.touch()
    return path


def take(log: Path) -> list[str]:
    """Return what was noted since the last time."""
    lines = log.read_text().splitlines()
    log.write_text("")
    return lines


def start(dataset: Any, size: int | None = 3, workers: int = 2, **options: Any) -> Any:
    collate: Any = getattr(dataset, "collate", tuple if size is None else list)
    return data_loader(
        dataset, size, num_workers=workers, collate_fn=collate, seed=1, drop_last=size == 7,
        **options,
    )  # fmt: skip


def resumed(
    dataset: Any, log: Path, *how: Any, passes: int = 1
) -> tuple[list[Any], list[str], list[Any]]:
    """Stop in the middle, and go on in a new loader, and in further passes.

    Return all batches of the first pass, what was noted after the stop, and the later passes.
    """
    with start(dataset, *how) as loader:
        found = list(islice(loader, (LENGTH // 2) // (loader.batch_size or 1)))
        state = json.loads(json.dumps(loader.state_dict()))
    take(log)
    with start(dataset, *how) as loader:
        loader.load_state_dict(state)
        found += loader
        noted = take(log)
        return found, noted, [list(loader) for _ in range(passes)]


@pytest.mark.parametrize("kind", [Stream, Walks, Collates, Orders, Keeps])
@pytest.mark.parametrize(("size", "workers"), [(3, 2), (7, 2), (None, 2), (3, 0), (None, 0)])
def test_the_rest_comes_and_the_samples_before_are_not_made_again(
    kind: Any, size: int | None, workers: int, log: Path
) -> None:
    dataset = kind(str(log))
    with start(dataset, size, workers) as loader:
        expected = [list(loader) for _ in range(2)]
    found, noted, later = resumed(dataset, log, size, workers)
    assert found == expected[0]
    assert later == expected[1:]
    loaded = [line for line in noted if line.startswith("loaded")]
    assert loaded
    again = [line for line in noted if line not in loaded]
    before = sum(int(line.split()[1]) for line in loaded)
    assert len(again) == LENGTH - before < LENGTH


@pytest.mark.parametrize("workers", [2, 0])
@pytest.mark.parametrize("then", ["it goes on", "the next"])
def test_an_epoch_that_was_left_does_not_show_in_the_next(
    then: str, workers: int, log: Path
) -> None:
    dataset = Keeps(str(log))
    with start(dataset, workers=workers) as loader:
        expected = [list(loader) for _ in range(3)]
    with start(dataset, workers=workers) as loader:
        found = list(islice(loader, LENGTH // 6))
        if then == "it goes on":
            loader.load_state_dict(loader.state_dict())
            assert found + list(loader) == expected[0]
        assert [list(loader) for _ in range(2)] == expected[1:]
    assert dataset.at == 0


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Late, "differs"),
        (Uncopied, "the data set cannot be copied, to load it there: ValueError: only one"),
        (Itself, "the data set cannot be copied, to load it there: TypeError: the copy of"),
    ],
)
def test_where_a_state_does_not_serve_all_samples_are_made_again(
    kind: Any, why: str, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = kind(str(log))
    with start(dataset) as loader:
        expected = [list(loader) for _ in range(2)]
    found, noted, later = resumed(dataset, log)
    assert (found, later) == (expected[0], expected[1:])
    assert any(line.startswith("loaded") for line in noted) is (kind is Late)
    assert "does not lead to the items that came after it" in caplog.text
    assert why in caplog.text


@pytest.mark.parametrize("workers", [2, 0])
def test_a_data_set_that_cannot_be_copied_is_told_of_after_an_epoch_that_was_left(
    workers: int, log: Path
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with start(Uncopied(str(log)), workers=workers) as loader:
            assert [len(list(loader)) for _ in range(2)] == [LENGTH // 3] * 2
            assert not caught
            next(iter(loader))
            list(loader)
    assert {each.category for each in caught} == {FarsideWarning}
    text = "cannot be copied (ValueError: only one), and the epoch before was left in the middle"
    assert text in str(caught[0].message)


def test_a_wrapper_is_not_lost_where_it_finds_how_to_copy_what_is_in_it(log: Path) -> None:
    with start(Wraps(str(log)), workers=0) as loader:
        for _ in range(2):
            assert {item[0] for batch in loader for item in batch} == {"wrapped"}


def test_copies_of_earlier_epochs_go_where_they_are_in_a_cycle(log: Path) -> None:
    dataset = Rings(str(log))
    gc.collect()
    gc.disable()
    try:
        with start(dataset, workers=0) as loader:
            there = [len(Ring.there) for _ in range(5) if list(loader)]
        assert there[-1] <= there[0], there
    finally:
        gc.enable()


def test_what_a_signal_handler_raises_while_a_data_set_is_copied_is_raised(log: Path) -> None:
    def handle(number: int, frame: object) -> None:
        raise LookupError("told")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with start(Struck(str(log)), workers=0) as loader, pytest.raises(LookupError, match="told"):
            list(loader)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_data_set_that_cannot_tell_its_state_is_named(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found, noted, _ = resumed(Fails(str(log)), log, passes=0)
    assert len(found) == LENGTH // 3
    assert len(noted) == LENGTH
    assert "Fails.state_dict() has failed (LookupError: nowhere)" in caplog.text


def test_a_worker_that_is_started_again_loads_the_state(log: Path) -> None:
    with start(Stream(str(log))) as loader:
        expected = [list(loader) for _ in range(2)]
    with start(Dies(str(log)), max_restarts=1) as loader:
        with pytest.warns(WorkerRestartedWarning):
            assert list(loader) == expected[0]
        assert any(line.startswith("loaded") for line in log.read_text().splitlines())
        assert list(loader) == expected[1]
