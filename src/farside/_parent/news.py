"""What the user is to be told: warnings, and the log records of workers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .member import Member


class News:
    """Notices, which warn or raise, and whether there is something to deliver. For any thread.

    Attributes:
        there: whether there may be notices, or log records of a member.
    """

    def __init__(self) -> None:
        self.there = False
        self._notices: deque[Callable[[], object]] = deque()

    def add(self, notices: Iterable[Callable[[], object]]) -> None:
        """Let whoever waits next call functions."""
        self._notices.extend(notices)
        self.there = self.there or bool(self._notices)

    def deliver(self, members: Sequence[Member], problems: list[Exception] | None = None) -> None:
        """Give the user's loggers and warning filters what there is; see `Logs.deliver`."""
        self.there = False
        try:
            self._deliver(members, problems)
        except BaseException:
            self.there = True  # there may be more
            raise

    def _deliver(self, members: Sequence[Member], problems: list[Exception] | None) -> None:
        while self._notices:
            try:
                notice = self._notices.popleft()
            except IndexError:  # another thread has taken it
                break
            try:
                notice()
            except Exception as problem:
                if problems is None:
                    raise
                problems.append(problem)
        for member in members:
            member.deliver_logs(problems)
