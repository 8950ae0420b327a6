"""The end of a forked child of a worker."""

from __future__ import annotations

import sys

import pytest

from farside._worker.forked import end_child
from tests.children import exit_code, fork


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(), 0),
        (SystemExit(7), 7),
        (SystemExit(1 << 40), 0),
        (SystemExit("a reason"), 1),
        (ValueError("no reason"), 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("streams", [True, False])
def test_it_ends_with_the_code_that_python_would_give(
    error: BaseException, code: int, *, streams: bool
) -> None:
    def end() -> None:
        if not streams:  # they were closed as Python started
            sys.stdout = sys.stderr = None
        end_child(error)

    assert exit_code(fork(end)) == code


def release() -> None:
    view = memoryview(b"")
    view.release()
    bytes(view)


def test_it_says_what_user_code_has_raised_and_not_what_ends_the_loop(
    capfd: pytest.CaptureFixture[str],
) -> None:
    view = memoryview(b"1")
    view.release()

    def end_loop() -> None:
        try:
            assert not view[0]
        except ValueError as error:
            end_child(error)

    def end_user_code() -> None:
        try:
            release()
        except ValueError as error:
            end_child(error)

    assert exit_code(fork(end_loop)) == exit_code(fork(end_user_code)) == 1
    said = capfd.readouterr().err
    assert said.count("cannot make the worker's items") == 1
    assert "in release" in said
