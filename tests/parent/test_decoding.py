"""Items are unpickled one by one, and each is either here or in the loop."""

from __future__ import annotations

import dis

from farside._parent.decoding import decode_each


def test_no_signal_handler_can_run_while_an_item_goes_to_the_loop() -> None:
    # Python looks for signals where it calls something, and 3.10 where it jumps on a condition too.
    code = list(dis.get_instructions(decode_each))
    removed = [at for at, each in enumerate(code) if each.opname == "DELETE_SUBSCR"]
    (at,) = [each for each in removed if code[each - 2].argval == "entries"]
    names: list[str] = []
    while "YIELD_VALUE" not in names:
        at += 1
        names.append(code[at].opname)
        if code[at].opname == "JUMP_FORWARD":
            at = [each.offset for each in code].index(code[at].argval) - 1
    assert [each for each in names if "CALL" in each or "_IF_" in each] == []
