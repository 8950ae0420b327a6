"""The stand-in for IntEnum: what the protocol uses of it is the same."""

from __future__ import annotations

import copy
import enum
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from farside._protocol.codes import IntEnum
from farside._protocol.messages import Cmd, Status

if TYPE_CHECKING:
    from collections.abc import Callable


class Known(enum.IntEnum):
    """The same members as those of `Cmd`."""

    ABORT = 1
    START_ITERATION = 2
    STOP_ITERATION = 3
    CALL = 4
    REPORT_STACK = 5
    GIVE_TASKS = 6
    RETURN_TASKS = 7


@pytest.mark.parametrize(
    "use",
    [
        lambda kind: [(each.name, each.value, int(each)) for each in kind],
        len,
        lambda kind: kind(2).name,
        lambda kind: (kind.CALL == 4, kind.CALL < 5, hash(kind.CALL), {4: 1}[kind.CALL]),
        lambda kind: (kind.CALL in kind, 4 in [*kind], isinstance(kind.CALL, int)),
        lambda kind: b"%d" % kind.CALL,
        lambda kind: repr(kind.CALL).replace(kind.__name__, "Kind"),
    ],
)
def test_it_does_what_intenum_does(use: Callable[[type[enum.IntEnum]], object]) -> None:
    assert use(Cmd) == use(Known)


def test_a_member_is_text_as_the_number_is() -> None:
    assert (str(Cmd.CALL), f"{Cmd.CALL}", f"{Cmd.CALL!r}") == ("4", "4", "<Cmd.CALL: 4>")


def test_there_is_one_of_each_member() -> None:
    assert Cmd(4) is Cmd.CALL
    assert pickle.loads(pickle.dumps(Cmd.CALL)) is Cmd.CALL
    assert copy.deepcopy(Cmd.CALL) is Cmd.CALL
    assert type(Cmd.CALL) is Cmd


def test_another_number_is_no_member() -> None:
    with pytest.raises(ValueError, match=r"^99 is not a valid Cmd$"):
        Cmd(99)
    nobody: list[Any] = [99, "CALL", None]
    assert [each for each in nobody if each in Cmd] == []


def test_enumerations_do_not_share_members() -> None:
    assert not {*Cmd} & {*Status}
    assert list(IntEnum) == []
