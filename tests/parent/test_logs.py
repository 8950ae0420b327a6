"""Records as data, and back, without a worker."""

from __future__ import annotations

import logging
import pickle
import sys
import warnings
from functools import partial
from typing import Any

import pytest

from farside._parent.logs import News, show
from farside._payload.records import flatten_dropped, flatten_record, flatten_warning
from farside._payload.verbosity import awaited
from farside.errors import ProtocolError

ORIGIN = {"worker_name": "a worker", "worker_backend": "subprocess", "worker_label": "pid 1"}


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __reduce__(self) -> str:
        raise TypeError("no pickle")


def record(text: object, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("tests.records", 30, "file.py", 7, text, args, None, "function")
    vars(made).update(extra)
    return made


def shown(body: bytes, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    caplog.clear()
    show(body, ORIGIN)
    (got,) = caplog.records
    return got


def test_a_record_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    got = shown(flatten_record(record("%d of %s", 3, "four", number=7, table=[1])), caplog)
    assert (got.getMessage(), got.args, got.lineno) == ("3 of four", None, 7)
    attributes = vars(got)
    assert (attributes["number"], attributes["table"]) == (7, [1])
    assert attributes["worker_label"] == "pid 1"


def test_a_logger_is_left_to_its_library(caplog: pytest.LogCaptureFixture) -> None:
    above = logging.getLogger("tests.unmade")
    above.setLevel(logging.ERROR)
    made = record("quiet")
    made.name = "tests.unmade.by.nobody"
    show(flatten_record(made), ORIGIN)
    assert not caplog.records  # as the level of the nearest one says
    made.levelno = logging.ERROR
    assert shown(flatten_record(made), caplog).name == "tests.unmade.by.nobody"
    assert "tests.unmade.by.nobody" not in logging.root.manager.loggerDict


def test_a_worker_passes_on_what_a_logger_that_it_awaits_lets_through(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(awaited, "tests.awaited", (logging.DEBUG, False))
    made = record("detail")
    made.name, made.levelno = "tests.awaited.below", logging.DEBUG
    show(flatten_record(made), ORIGIN)
    assert caplog.messages == ["detail"]


def test_a_logger_of_the_class_that_the_user_has_set_is_made_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may open a file, and begin that anew."""
    names: list[str] = []

    class Own(logging.Logger):
        def __init__(self, name: str) -> None:
            super().__init__(name)
            names.append(name)

    monkeypatch.setattr(logging.root.manager, "loggerDict", {})
    logging.setLoggerClass(Own)
    try:
        for _ in range(2):
            show(flatten_record(record("text")), ORIGIN)
    finally:
        logging.setLoggerClass(logging.Logger)
    assert names == ["tests.records"]
    assert caplog.messages == ["text", "text"]


def test_a_record_that_has_come_further_keeps_its_origin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    got = shown(flatten_record(record("text", worker_label="pid 2")), caplog)
    assert vars(got)["worker_label"] == "pid 2"


def test_a_message_that_is_a_dict_keeps_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    got = shown(flatten_record(record({"event": "read", "size": 3, "held": Hostile()})), caplog)
    message: object = got.msg
    assert message == {"event": "read", "size": 3, "held": "<Hostile whose repr() failed>"}
    assert shown(flatten_record(record({1: 2})), caplog).msg == "{1: 2}"
    assert shown(flatten_record(record({"a": 1}, 5)), caplog).msg.startswith("{'a': 1} % (5,)")


def test_what_is_attached_may_have_buffers(caplog: pytest.LogCaptureFixture) -> None:
    held = pickle.PickleBuffer(bytearray(b"as an array of NumPy"))
    got = shown(flatten_record(record({"held": held}, held=held)), caplog)
    message: Any = got.msg
    assert message["held"] == vars(got)["held"] == b"as an array of NumPy"


def test_nothing_in_a_record_makes_it_fail(caplog: pytest.LogCaptureFixture) -> None:
    got = shown(flatten_record(record("%s", Hostile(), held=Hostile())), caplog)
    assert "RuntimeError: no text" in got.getMessage()
    assert vars(got)["held"] == "<Hostile whose repr() failed>"


def test_an_exception_is_text(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise KeyError("inner")
    except KeyError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    got = shown(flatten_record(made), caplog)
    assert got.exc_info is None
    assert str(got.exc_text).endswith("KeyError: 'inner'")


def test_a_warning_comes_back_as_the_nearest_class_that_is_known() -> None:
    local = type("Local", (DeprecationWarning,), {"__module__": "not_there"})
    with warnings.catch_warnings(record=True) as caught:
        show(flatten_warning(local("text"), local, "file.py", 7, None), ORIGIN)
    (got,) = caught
    assert (got.category, str(got.message), got.lineno) == (DeprecationWarning, "text", 7)


def test_dropped_records_are_told(caplog: pytest.LogCaptureFixture) -> None:
    got = shown(flatten_dropped(5), caplog)
    assert "the a worker dropped 5 log records" in got.getMessage()


@pytest.mark.parametrize("body", [b"", b"garbage", pickle.dumps(("other", 1))])
def test_garbage_is_an_error_of_the_protocol(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="a record"):
        show(body, ORIGIN)


def test_what_is_left_when_a_handler_raises_is_delivered_the_next_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    news = News()
    for body in (b"garbage", flatten_record(record("next"))):
        news.waiting.append(partial(show, body, ORIGIN))
    with pytest.raises(ProtocolError):
        news.deliver()
    assert not caplog.records
    news.deliver()
    assert caplog.messages == ["next"]
