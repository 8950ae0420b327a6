"""Contents that share a place."""

from __future__ import annotations

import pytest

from farside._link.frames import MAX_REFS
from farside._memory.parts import ALIGN, SHARED_BYTES, parts_of, runs, size, together


@pytest.mark.parametrize(
    "sizes",
    [[0], [5], [ALIGN], [3, 0, ALIGN, ALIGN + 1, 2], [ALIGN - 1, 0], [0, 0, 7], [1] * 2000],
    ids=str,
)
def test_contents_come_back_from_aligned_positions(sizes: list[int]) -> None:
    contents = [bytes([number % 256]) * nbytes for number, nbytes in enumerate(sizes)]
    parts, nbytes = together([memoryview(each) for each in contents])
    place = bytearray(b"".join(parts))
    assert len(place) == size(parts) == nbytes
    found = parts_of(place, sizes)
    assert [bytes(each) for each in found] == contents
    lengths = [-(-nbytes // ALIGN) * ALIGN for nbytes in sizes]
    place[:] = bytes(len(place))
    for number, each in enumerate(found):
        each[:] = b"x" * sizes[number]
        at = sum(lengths[:number])
        assert place[at : at + sizes[number]] == b"x" * sizes[number]
        each[:] = bytes(sizes[number])


def test_one_of_a_whole_number_of_lines_needs_no_padding() -> None:
    view = memoryview(bytes(2 * ALIGN))
    assert together([view]) == ([view], 2 * ALIGN)


@pytest.mark.parametrize("sizes", [[11], [5, 5], [-1], [10, 0]])
def test_sizes_that_the_place_has_not(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="of 10"):
        parts_of(bytes(10), sizes)


@pytest.mark.parametrize("nbytes", [8192, 100_000, SHARED_BYTES // 2, SHARED_BYTES + 1])
@pytest.mark.parametrize("count", [1, 2, 3, 100, 20_000])
def test_neighbours_share_a_block_if_they_are_small(nbytes: int, count: int) -> None:
    found = runs([nbytes] * count)
    assert [index for run in found for index in range(count)[run]] == list(range(count))
    in_each = max(1, SHARED_BYTES // nbytes)
    if count <= 100:
        assert [run.stop - run.start for run in found[:-1]] == [in_each] * (len(found) - 1)
    assert len(found) < MAX_REFS


def test_a_large_one_shares_its_block_with_none() -> None:
    large, small = 2 * SHARED_BYTES, 10_000
    found = runs([small, small, large, small, large, small])
    assert [run.stop - run.start for run in found] == [2, 1, 1, 1, 1]
