"""Where a loop is, as plain values that JSON can carry: what `state_dict` returns. Pure.

A state names what is left of a data set, not of its workers: which shards have ended, and how many
items of others the loop was given. Only the slot whose turn it is, is about the order. So it can be
loaded with any number of workers, and states of the ranks of a job can be merged.
"""

from __future__ import annotations

from bisect import bisect_right

from .order import Place, Sharding, join_ranges, order_of
from .progress import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

VERSION = 1
"""Of the form of a state."""

KEYS = {
    "farside": int,
    "kind": str,
    "epoch": int,
    "seed": int,
    "fingerprint": str,
    "shards": int,
    "cycle_length": int,
    "in_order": bool,
    "shuffled": bool,
    "world_size": int,
    "ranks": list,
    "ended": list,
    "begun": list,
    "turn": int,
    "anchors": list,
    "snapshots": list,
}
"""What a state has, and of which types."""


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

    Its kind is ``"iterable"``, ``"shards"`` or ``"inputs"``. Anchors are, for some shards that were
    begun, the index of an item and its digest. The fingerprint tells data sets apart.
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


def check(state: Any) -> dict[str, Any]:
    """Return a state. It is a TypeError if it is none at all, and a ValueError if it is broken."""
    cure = "pass what state_dict() returned"
    if not isinstance(state, dict) or "farside" not in state:
        raise TypeError(f"state={_short(state)} is no state of farside; {cure}")
    if state["farside"] != VERSION:
        raise ValueError(
            f"the state has version {state['farside']!r}, and this farside reads {VERSION}; load "
            "it with the farside that has made it"
        )
    for key, kind in KEYS.items():
        if type(state.get(key)) is not kind:
            raise ValueError(f"the state has {key}={_short(state.get(key))}; {cure}")
    for key, least in _LEAST.items():
        if state[key] < least:
            raise ValueError(f"the state has {key}={state[key]}, which is below {least}; {cure}")
    for key, holds in _HOLDS.items():
        if not holds(state):
            raise ValueError(f"the state has {key}={_short(state[key])}, which is broken; {cure}")
    return state


_LEAST = {"epoch": 0, "seed": 0, "turn": 0, "shards": 0, "cycle_length": 1, "world_size": 1}


def _are_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == count
        and all(type(number) is int and number >= 0 for number in value)
    )


def _below(state: Mapping[str, Any]) -> float:
    """Return how many shards there are; infinity for inputs, if nobody knows how many."""
    unknown = state["kind"] == "inputs" and not state["shards"]
    return float("inf") if unknown else state["shards"]


def _ended_holds(state: Mapping[str, Any]) -> bool:
    pairs = state["ended"]
    if not all(_are_numbers(pair, 2) for pair in pairs):
        return False
    bounds = [bound for pair in pairs for bound in pair]
    return bounds == sorted(set(bounds)) and (not bounds or bounds[-1] <= _below(state))


def _begun_holds(state: Mapping[str, Any]) -> bool:
    pairs, most = state["begun"], _below(state)
    bounds = [bound for pair in state["ended"] for bound in pair]
    return all(
        _are_numbers(pair, 2)
        and pair[0] < most
        and bisect_right(bounds, pair[0]) % 2 == 0  # it lies between two ranges
        for pair in pairs
    ) and len({pair[0] for pair in pairs}) == len(pairs)


def _anchors_hold(state: Mapping[str, Any]) -> bool:
    return all(
        isinstance(anchor, (list, tuple))
        and [*map(type, anchor)] == [int, int, str]
        and _are_numbers(anchor[:2], 2)
        and not anchor[2].strip("0123456789abcdef")
        and len(anchor[2]) % 2 == 0
        for anchor in state["anchors"]
    )


def _snapshots_hold(state: Mapping[str, Any]) -> bool:
    begun = dict(state["begun"])
    return all(
        isinstance(each, (list, tuple))
        and [*map(type, each)] == [int, int, str]
        and 0 <= each[1] <= begun.get(each[0], -1)
        for each in state["snapshots"]
    )


_HOLDS = {
    "ended": _ended_holds,
    "begun": _begun_holds,
    "turn": lambda state: state["turn"] < state["cycle_length"],
    "ranks": lambda state: (
        _are_numbers(state["ranks"], len(state["ranks"]))
        and all(rank < state["world_size"] for rank in state["ranks"])
    ),
    "anchors": _anchors_hold,
    "snapshots": _snapshots_hold,
}
"""What must hold of the parts of a state, so that a pass can begin there."""


def read(state: Mapping[str, Any]) -> Place:
    """Return the place that a state tells."""
    ended = tuple((first, end) for first, end in state["ended"])
    begun = tuple(sorted((shard, count) for shard, count in state["begun"]))
    return Place(ended, begun, state["turn"])


def anchors(state: Mapping[str, Any]) -> list[tuple[int, int, bytes]]:
    """Return what a state has to compare a pass with."""
    return [(shard, index, bytes.fromhex(digest)) for shard, index, digest in state["anchors"]]


def snapshots(state: Mapping[str, Any]) -> list[Snapshot]:
    """Return the states of what the user iterates on that a state has."""
    return [Snapshot(shard, index, text.encode()) for shard, index, text in state["snapshots"]]


def merge(states: Sequence[Any]) -> dict[str, Any]:
    """Make one state of those of all ranks of a job; see `farside.merge_states`."""
    if not isinstance(states, (list, tuple)):
        raise TypeError(
            f"states={_short(states)} is no list of states; pass [state, ...], with what "
            "state_dict() returned in each rank"
        )
    checked = [check(state) for state in states]
    if not checked:
        raise ValueError("states is empty; pass the states of all ranks")
    first = checked[0]
    for key in ("kind", "epoch", "seed", "fingerprint", "shards", "cycle_length", "world_size"):
        several = {repr(each[key]) for each in checked}
        if len(several) > 1:
            raise ValueError(
                f"the states differ in {key}: {' and '.join(sorted(several))}; pass those that the "
                "ranks of one job had at the same time"
                + (": all in the same epoch" if key == "epoch" else "")
            )
    ranks = sorted(rank for each in checked for rank in each["ranks"])
    if ranks != list(range(first["world_size"])):
        raise ValueError(
            f"the states are those of ranks {ranks}, and world_size is {first['world_size']}; pass "
            "one of each rank"
        )
    ended = [(begin, end) for each in checked for begin, end in each["ended"]]
    merged = dict(first)
    merged["ranks"] = ranks
    merged["ended"] = [list(each) for each in join_ranges(ended)]
    own = _own(checked)
    for key in ("begun", "anchors", "snapshots"):  # each begins with the number of a shard
        pairs = zip(checked, own)  # noqa: B905  as many
        merged[key] = sorted(
            list(each) for state, shards in pairs for each in state[key] if each[0] in shards
        )
    return merged


def _own(states: Sequence[Mapping[str, Any]]) -> list[set[int]]:
    """Return the shards of the ranks of each state.

    A job that has loaded a merged state tells of the shards of others too, as they were then.
    """
    first = states[0]
    if first["world_size"] == 1:
        return [{each[0] for key in ("begun", "anchors", "snapshots") for each in first[key]}]
    sharding = Sharding(first["shards"], shuffled=first["shuffled"], seed=first["seed"])
    order = order_of(sharding, first["epoch"])
    return [
        {shard for rank in state["ranks"] for shard in order[rank :: state["world_size"]]}
        for state in states
    ]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  a line
