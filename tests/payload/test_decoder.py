"""Entries that are none: what crosses between parent and worker may be damaged."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from farside._memory.parts import ALIGN
from farside._payload.decoder import decode
from farside.errors import ProtocolError

ENTRIES: dict[str, tuple[Any, ...]] = {
    "one part": (b"x",),
    "three parts": (b"x", [], []),
    "no list": (pickle.dumps(1), 5),
    "a block that is not there": (1, []),
    "a block from the end": (-1, []),
    "a buffer that is not there": (pickle.dumps(1), [1]),
    "no contents": ("text", []),
    "a buffer without contents": (pickle.dumps(1), [None]),
    "one block twice": (0, [0]),
    "one block twice, in parts": (0, [(0, [1])]),
    "parts of nothing": (pickle.dumps(1), [()]),
    "parts of no block": (pickle.dumps(1), [(1, [1])]),
    "parts that are not there": (pickle.dumps(1), [(0, [1, 1 << 40])]),
    "a part before the beginning": (pickle.dumps(1), [(0, [-1])]),
    "a part without a size": (pickle.dumps(1), [(0, ["1"])]),
    "no list of parts": (pickle.dumps(1), [(0, 1)]),
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_what_is_no_entry_is_a_protocol_error(entry: Any) -> None:
    with pytest.raises(ProtocolError, match="an item that cannot be read"):
        decode(entry, [memoryview(pickle.dumps(1))])


def test_the_parts_of_a_block_lie_one_after_the_other_each_aligned() -> None:
    contents = [b"abc", b"", b"x" * ALIGN, b"y" * (ALIGN + 1), b"end"]
    block = b"".join(each + bytes(-len(each) % ALIGN) for each in contents)
    apart: list[pickle.PickleBuffer] = []
    stream = pickle.dumps([*map(pickle.PickleBuffer, contents)], 5, buffer_callback=apart.append)
    assert len(apart) == len(contents)
    buffers = [(0, [len(each) for each in contents[:4]]), 1]
    found = decode((stream, buffers), [memoryview(block), memoryview(b"end")])
    assert [bytes(each) for each in found] == contents
