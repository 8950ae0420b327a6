"""Writes, checks, reads and merges the states that `state_dict` returns. Pure.

A state is made of plain values that JSON can carry. It tells what is left of the data set, and
nothing of the workers: which shards have ended, and how many items of others the loop has had. The
one detail of the order is the slot whose turn it is. So a state can be loaded with any number of
workers, and the states of the ranks of a job can be merged.

A shard is identified by its position in the order of the epoch, which the seed decides. In the
state of one rank of several, that is its position among the shards of that rank, else among all
shards. So the shards that have ended form few ranges, however many there are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .order import Place, Sharding, join_ranges, numbers_of, ranges_of
from .progress import Snapshot

VERSION = 2
"""The version of the format. In version 1, shards that were shuffled or read by several ranks were
identified by their numbers among all. A state of version 1 without such shards can be read."""

KEYS: dict[str, type] = {
    **dict.fromkeys(("kind", "fingerprint"), str),
    **dict.fromkeys(("in_order", "shuffled"), bool),
    **dict.fromkeys(("farside", "epoch", "seed", "shards"), int),
    **dict.fromkeys(("cycle_length", "world_size", "turn"), int),
    **dict.fromkeys(("ranks", "ended", "begun", "anchors", "snapshots"), list),
}
"""The keys of a state, and the types of their values."""


def write(
    place: Place,
    sharding: Sharding,
    *,
    kind: str,
    epoch: int,
    fingerprint: str = "",
    in_order: bool = True,
    anchors: Iterable[tuple[int, int, bytes]] = (),
    snapshots: Iterable[Snapshot] = (),
) -> dict[str, Any]:
    """Return the state of a loop.

    Its kind is one of `_KINDS`. An anchor is a shard that was begun, the index of one of its items,
    and the digest of that. The fingerprint tells data sets apart.
    """
    return {
        "farside": VERSION,
        "kind": kind,
        "epoch": epoch,
        "seed": sharding.seed,
        "fingerprint": fingerprint,
        "shards": sharding.total,
        "cycle_length": sharding.cycle_length,
        "in_order": in_order,
        "shuffled": sharding.shuffled,
        "world_size": sharding.world_size,
        "ranks": [sharding.rank],
        "ended": [list(each) for each in place.ended],
        "begun": [list(each) for each in place.begun],
        "turn": place.turn,
        "anchors": [[shard, index, digest.hex()] for shard, index, digest in anchors],
        "snapshots": [[shard, index, state.decode()] for shard, index, state in snapshots],
    }


def check(state: Any, kind: str | None = None) -> dict[str, Any]:
    """Return `state`, checked. Raise TypeError if it is no state, ValueError if it is broken.

    Also raise ValueError if it is of another kind than `kind`.
    """
    cure = "pass what state_dict() returned"
    if not isinstance(state, dict) or "farside" not in state:
        raise TypeError(f"state={_short(state)} is not a state of farside; {cure}")
    numbered = state.get("shuffled") or state.get("world_size") != 1
    of_shards = state.get("ended") or state.get("begun")
    if state["farside"] != VERSION and (state["farside"] != 1 or (numbered and of_shards)):
        raise ValueError(
            f"the state has version {state['farside']!r}, and this farside reads {VERSION}; load "
            "it with the farside that has made it, or begin its epoch anew, by set_epoch"
        )
    for key, type_of in KEYS.items():
        if type(state.get(key)) is not type_of:
            raise ValueError(f"the state has {key}={_short(state.get(key))}; {cure}")
    for key, least in _LEAST.items():
        if state[key] < least:
            raise ValueError(f"the state has {key}={state[key]}, which is below {least}; {cure}")
    for key, holds in _parts(state):
        if not holds:
            raise ValueError(f"the state has {key}={_short(state[key])}, which is broken; {cure}")
    if kind not in {None, state["kind"]}:
        raise ValueError(
            f"the state is that of an iterable made by {_KINDS[state['kind']]}, and this one was "
            f"made by {_KINDS[kind]}; load it into one that was made in the same way"
        )
    return state


_KINDS = {
    "iterable": "iterate_in_worker, iterate_in_subprocess or iterate_in_subinterpreter",
    "shards": "iterate_in_workers or data_loader",
    "inputs": "map_in_workers",
}
"""The kinds of states, and what makes the iterables that have them."""

_KEYED = ("begun", "anchors", "snapshots")  # lists whose rows begin with a shard
_LEAST = {"epoch": 0, "seed": 0, "turn": 0, "shards": 0, "cycle_length": 1, "world_size": 1}

_ROWS: dict[str, list[type]] = {
    "ended": [int, int],
    "begun": [int, int],
    "anchors": [int, int, str],
    "snapshots": [int, int, str],
}
"""The keys whose values are lists of rows, and the types in a row. No number is below 0."""

_MANY = 1 << 63  # more shards or items than there ever are


def _parts(state: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the key of each part and whether it is valid. Each check relies on those before."""
    yield "kind", state["kind"] in _KINDS
    for key, kinds in _ROWS.items():
        yield key, all(_is_row(row, kinds) for row in state[key])
    # The number of inputs may be unknown.
    known = state["kind"] != "inputs" or state["shards"]
    total: float = state["shards"] if known else float("inf")
    if not _is_of_all(state):
        total = -(-total // state["world_size"])
    bounds = [bound for row in state["ended"] for bound in row]
    yield "ended", bounds == sorted(set(bounds)) and (not bounds or bounds[-1] <= total)
    begun = dict(state["begun"])
    # A shard that was begun lies between two ranges of ended ones.
    left = all(shard < total and bisect_right(bounds, shard) % 2 == 0 for shard in begun)
    yield "begun", left and len(begun) == len(state["begun"])
    yield "turn", state["turn"] < state["cycle_length"]
    yield "seed", state["seed"] < 1 << 64
    size = state["world_size"]
    ranks, one_or_all = state["ranks"], len(state["ranks"]) in {1, size}
    yield "ranks", one_or_all and all(type(rank) is int and 0 <= rank < size for rank in ranks)
    # A worker passes over the items before an anchor. An anchor that the loop has not reached would
    # make it drop items that the loop has not had.
    of_inputs = state["kind"] == "inputs"
    compared = [of_inputs or index < begun.get(shard, 0) for shard, index, _ in state["anchors"]]
    yield "anchors", all(compared) and all(_is_hex(digest) for *_, digest in state["anchors"])
    kept = state["snapshots"]
    yield "snapshots", all(index <= begun.get(shard, -1) for shard, index, _ in kept)


def _is_row(row: Any, kinds: list[type]) -> bool:
    typed = isinstance(row, (list, tuple)) and [*map(type, row)] == kinds
    return typed and min(row[:2]) >= 0 and max(row[:2]) < _MANY


def _is_hex(text: str) -> bool:
    return not text.strip("0123456789abcdef") and len(text) % 2 == 0


def read(state: Mapping[str, Any]) -> Place:
    """Return the place that a state describes."""
    ended = tuple((first, end) for first, end in state["ended"])
    begun = tuple(sorted((shard, count) for shard, count in state["begun"]))
    return Place(ended, begun, state["turn"])


def anchors(state: Mapping[str, Any]) -> list[tuple[int, int, bytes]]:
    """Return the anchors of a state, with which a resumed pass is compared."""
    return [(shard, index, bytes.fromhex(digest)) for shard, index, digest in state["anchors"]]


def snapshots(state: Mapping[str, Any]) -> list[Snapshot]:
    """Return the snapshots in a state: states of what the user iterates on."""
    return [Snapshot(shard, index, text.encode()) for shard, index, text in state["snapshots"]]


def of_rank(state: Mapping[str, Any], rank: int, world_size: int) -> dict[str, Any]:
    """Return the state of one rank, taken out of the state of all ranks that `merge` has made.

    The state of a single rank is returned as it is. Raise ValueError if that is another rank.
    """
    made, ranks, size = dict(state), state["ranks"], state["world_size"]
    if not _is_of_all(state):
        if (ranks, size) != ([rank], world_size):
            raise ValueError(
                f"the state is that of rank {ranks} of {size}, and this is rank {rank} of "
                f"{world_size}; make one of the states of all ranks with farside.merge_states, and "
                "load that in each"
            )
        return made
    # The positions of this rank in a range form one range again.
    ranges = [[-(-(each - rank) // world_size) for each in row] for row in state["ended"]]
    made["ended"] = [list(each) for each in join_ranges((a, b) for a, b in ranges if a < b)]
    for key in _KEYED:
        rows = [row for row in state[key] if row[0] % world_size == rank]
        made[key] = [[row[0] // world_size, *row[1:]] for row in rows]
    return made


def _is_of_all(state: Mapping[str, Any]) -> bool:
    ranks = state["ranks"]
    return len(ranks) == state["world_size"] and bool(ranks == [*range(len(ranks))])


_SAME = (
    "kind", "epoch", "seed", "fingerprint", "shards", "shuffled", "cycle_length", "world_size"
)  # fmt: skip
"""The keys whose values are the same in all ranks of a job."""


def merge(states: Sequence[Any]) -> dict[str, Any]:
    """Merge the states of all ranks of a job into one; see `farside.merge_states`."""
    if not isinstance(states, (list, tuple)):
        raise TypeError(
            f"states={_short(states)} is not a list of states; pass [state, ...], with what "
            "state_dict() returned in each rank"
        )
    checked = [check(state) for state in states]
    if not checked:
        raise ValueError("states is empty; pass the states of all ranks")
    first = checked[0]
    _check_alike(checked)
    ranks = sorted(rank for each in checked for rank in each["ranks"])
    if ranks != list(range(first["world_size"])):
        raise ValueError(
            f"the states are those of ranks {ranks}, and world_size is {first['world_size']}; pass "
            "one of each rank"
        )
    if len(checked) == 1:
        return dict(first)
    size, merged = first["world_size"], {**first, "farside": VERSION, "ranks": ranks}
    of_each = [(state["ranks"][0], state) for state in checked]
    numbers = [
        rank + shard * size for rank, state in of_each for shard in numbers_of(state["ended"])
    ]
    merged["ended"] = [list(each) for each in ranges_of(numbers)]
    for key in _KEYED:
        merged[key] = sorted(
            [rank + row[0] * size, *row[1:]] for rank, state in of_each for row in state[key]
        )
    return merged


def _check_alike(states: Sequence[dict[str, Any]]) -> None:
    """Check that all states are those of one job, at the same time."""
    if len(states) > 1 and states[0]["kind"] == "inputs":
        raise ValueError(
            f"the states are those of iterables made by {_KINDS['inputs']}, whose inputs have no "
            "ranks, so they cannot be merged; load the state of each rank in that rank again, with "
            "the same number of ranks, or call the function in the shards of iterate_in_workers"
        )
    for key in _SAME:
        several = {repr(each[key]) for each in states}
        if len(several) > 1:
            raise ValueError(
                f"the states differ in {key}: {' and '.join(sorted(several))}; pass those that the "
                "ranks of one job had at the same time"
                + (": all in the same epoch" if key == "epoch" else "")
            )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  a line
