"""What processes that were not made by farside do with it."""

from __future__ import annotations

from functools import partial

from tests.jobs import Numbers


def use(_: object = None) -> str:
    """Start a worker, iterate over it and leave it open; tell what came of it."""
    from farside import BackendUnavailableError
    from tests.scripts.starting import start

    try:
        numbers = start(partial(Numbers, 1000))
    except BackendUnavailableError as error:
        return error.reason
    kept.append(numbers)
    return "fine" if list(numbers) == list(range(1000)) else "wrong"


kept: list[object] = []
