"""The vocabulary."""

from __future__ import annotations

import doctest
import importlib
import pickle
import pkgutil
from collections import Counter

import pytest

import farside._protocol
from farside._payload.job import JOB
from farside._protocol import messages, parent_machine, worker
from farside._protocol.codes import IntEnum
from farside._protocol.messages import EXHAUSTED, Cmd, Status

ENUMS = {
    value
    for module in (messages, parent_machine, worker)
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, IntEnum) and value is not IntEnum
}

MODULES = [info.name for info in pkgutil.iter_modules(farside._protocol.__path__)]


def test_no_two_members_of_any_enumeration_are_equal() -> None:
    members = Counter(int(member) for each in ENUMS for member in each)
    assert [value for value, count in members.items() if count > 1] == []


def test_every_enumeration_is_looked_at() -> None:
    assert {each.__name__ for each in ENUMS} == {
        "Age",
        "Cmd",
        "ParentEvent",
        "ParentState",
        "Status",
        "WorkerEvent",
        "WorkerState",
    }


def test_no_value_is_an_alias() -> None:
    for each in ENUMS:
        public = [name for name in vars(each) if not name.startswith("_")]
        assert len(public) == len(list(each))


def test_commands_and_statuses_have_the_names_of_the_description() -> None:
    assert [cmd.name for cmd in Cmd] == [
        "ABORT",
        "START_ITERATION",
        "STOP_ITERATION",
        "CALL",
        "REPORT_STACK",
        "GIVE_TASKS",
        "RETURN_TASKS",
    ]
    assert [status.name for status in Status] == [
        "UNEXPECTED_CMD_RECEIVED",
        "INITIALIZATION_FAILED",
        "INITIALIZATION_SUCCEEDED",
        "ITERATION_STARTED",
        "ITERATION_FINISHED",
        "ITERATOR_SUCCESS",
        "ITERATOR_FAILED",
        "CALL_SUCCEEDED",
        "CALL_FAILED",
        "STACK_REPORTED",
        "RECORDS_EMITTED",
        "PROGRESS_REPORTED",
        "TASKS_RETURNED",
    ]


def test_what_travels_fits_into_one_byte_and_is_not_mistaken_for_the_job() -> None:
    for member in (*Cmd, *Status):
        assert 0 < member < 256
        assert member != JOB


def test_what_travels_pickles() -> None:
    for member in (*Cmd, *Status):
        assert pickle.loads(pickle.dumps(member)) is member


def test_the_remark_on_an_exhausted_iterator_is_not_empty() -> None:
    # The body of an ordinary ITERATION_FINISHED is.
    assert EXHAUSTED


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module: str) -> None:
    found = importlib.import_module(f"farside._protocol.{module}")
    failed, tried = doctest.testmod(found)
    assert not failed
    assert tried or module in {
        "effects",
        "group",
        "inbox",
        "messages",
        "parent",
        "recovery",
        "loop_state",
    }
