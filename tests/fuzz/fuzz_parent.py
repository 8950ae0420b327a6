"""A confused worker, for all of the parent.

Run ``python tests/fuzz/fuzz_parent.py -max_total_time=600``.

What user code pickles is trusted, as user code is. So the pickles are sound; what the frames say
of them is not.
"""

from __future__ import annotations

import gc
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

from tests.fuzz.source import Source, fuzz
from tests.memory.blocks_of import lent

if TYPE_CHECKING:
    from farside._link.pipes import PipeLink

ARENA = 1 << 20
_HEADER = struct.Struct("<BBHIQQ")
_REF = struct.Struct("<QQ")
MOST = 1 << 17
"""Bytes that a worker sends: what a pipe holds, since nobody reads meanwhile."""


def value(source: Source, depth: int = 3) -> Any:
    """Return some plain value."""
    kind = source.number(9 if depth else 6)
    if kind < 3:
        return [None, source.number(3), -1][kind]
    if kind == 3:
        return source.take(source.number(20))
    if kind == 4:
        return pickle.dumps(source.number(9))
    if kind == 5:
        return source.take(2).hex()
    if kind == 6:
        return source.edge(64)
    parts = [value(source, depth - 1) for _ in range(source.number(4))]
    return [parts, tuple(parts), (source.number(2), parts)][kind - 7]


def body(source: Source) -> bytes:
    """Return the body of a frame, which may be what it should be."""
    kind = source.number(5)
    if kind == 0:
        return source.take(source.number(30))
    if kind == 1:
        sizes = [source.edge(64) for _ in range(source.number(3))]
        count = source.choice([len(sizes), len(sizes), source.edge(64)])
        table = struct.pack("<8sQQ", b"B", count, source.choice([5, source.edge(64)]))
        return table + struct.pack(f"<{len(sizes)}Q", *sizes) + pickle.dumps(value(source))
    if kind == 2:
        return pickle.dumps(value(source))
    if kind == 3:
        failure = [source.choice(["next", "pickle", "initializer[0]"]), 1, "E", "text", "tb", None]
        failure.append(None)
        failure[source.number(6)] = value(source)
        return pickle.dumps(tuple(failure))
    return pickle.dumps([value(source) for _ in range(source.number(3))])


def frame(source: Source) -> bytes:
    """Return a frame that the present state may allow."""
    kind = source.choice([21, 21, 21, 21, 20, 22, 19, 17, 18, 16, source.number(255)])
    epoch = source.choice([1, 1, 1, 1, 0, 2, source.edge(64)])
    refs = [
        (
            source.choice([source.number(3), source.edge(16)]) << 48
            | source.choice([source.number(ARENA), source.edge(48)]),
            source.choice([source.number(10_000), source.edge(64)]),
        )
        for _ in range(source.choice([0, 0, 1, 2, 3]))
    ]
    content = body(source)
    count = source.choice([0, 1, 2, source.edge(32)])
    length = source.choice([len(content)] * 9 + [source.edge(49)])
    head = _HEADER.pack(0xFA, kind, source.choice([len(refs)] * 9 + [1]), count, epoch, length)
    return head + b"".join(_REF.pack(*ref) for ref in refs) + content


def check(source: Source) -> None:
    """Check that a parent gives items or an error of farside, whatever it is sent."""
    from farside._link import frames
    from farside._link.opening import open_link
    from farside.errors import FarsideError

    frames._GROWTH = 1 << 17
    parent, ends = open_link(ARENA)
    sent = b"".join(frame(source) for _ in range(1 + source.number(4)))[:MOST]
    try:
        begin = _HEADER.pack(0xFA, 18, 0, 0, 0, 0) + _HEADER.pack(0xFA, 19, 0, 0, 1, 0)
        os.write(ends.frames.fileno(), begin + sent)
        for end in ends:
            end.close()
        try:
            iterate(parent)
        except FarsideError:
            pass
        if lent(parent.leases):
            gc.collect()  # the traceback of an error may have it
        assert lent(parent.leases) == 0, "a block was lost"
    finally:
        parent.close()


def iterate(link: PipeLink) -> list[Any]:
    """Iterate on what a worker has sent, as users do."""
    from farside._parent import closing, starting
    from farside._parent.client import Client
    from farside._parent.options import check as options
    from tests.parent.scripted import ScriptedWorker, iterate, launching

    worker: Any = ScriptedWorker()
    worker.link.close()
    worker.link = link
    with launching(worker):
        client = Client(options(list, backend="scripted"))
        starting.start(client)
    try:
        return list(iterate(client))
    finally:
        closing.close(client, kill=False)


if __name__ == "__main__":
    fuzz(
        check,
        "farside._link.frames",
        "farside._payload.pickling",
        "farside._payload.items",
        "farside._payload.decoder",
        "farside._link.pipes",
        "farside._protocol.group",
        "farside._protocol.parent",
        "farside._parent.messages_for_people",
        "farside._parent.remote_failures",
        "farside._parent.decoding",
        "farside._parent.one_pass",
        "farside._parent.results",
        "farside._parent.client",
        "farside._parent.effects",
        "farside._parent.received",
        "farside._parent.links",
        "farside._parent.wait",
    )
