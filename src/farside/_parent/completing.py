"""Completes futures, which calls what their users have added to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def complete(settle: Callable[[Any], None], outcome: Any) -> None:
    """Give a future its result or its exception.

    A future logs what its callbacks raise, but not SystemExit and its like, which `result()` raises
    where a call has ended so. That must not end the thread that completes the futures of others.
    """
    try:
        settle(outcome)
    except BaseException:
        import logging  # only who needs it pays for it

        logging.getLogger("concurrent.futures").exception("exception calling callback")
