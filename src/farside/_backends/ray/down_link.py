"""The way down of the worker's side of the link: `Words` and commands, brought by calls."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from ..._link.control import Stopwatch
from ..._link.frames import Frame
from ..._link.worker_base import WorkerLink
from ..._payload.job import JOB
from ..._worker.threads import Bell
from ...errors import LinkClosedError
from .messages import Command, Words, joined


class DownLink(WorkerLink):
    """Receives words and commands from the parent. Calls may overtake each other."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a finalizer may send in the middle of anything
        self._commands: SimpleQueue[Frame | None] = SimpleQueue()
        self._next = 0  # the number of the next call of `push`
        self._early: dict[int, tuple[Words, list[Command]]] = {}
        self._words = Words()
        self._wish: tuple[int, int] | None = None
        self._urgent = False  # whether a call has to return at once
        self._granted, self._due = Bell(), Bell()
        self._waits = Stopwatch()

    def bring(self, job: bytes, contents: list[memoryview]) -> None:
        """Queue the job, before anything else."""
        self._commands.put(Frame(JOB, 0, job, 0, contents))

    def tell(self, words: Words) -> None:
        with self._lock:
            before = self._words
            if words.number < before.number:
                return
            self._words = words
            self._granted.ring()
            self._take_words(before)
            if words.closed > max(1, before.closed):
                self._hang_up()

    def push(self, number: int, words: Words, commands: list[Command]) -> None:
        """Queue commands, in the order of the numbers of their calls."""
        with self._lock:
            self._early[number] = words, commands
            while (due := self._early.pop(self._next, None)) is not None:
                self._next += 1
                for kind, epoch, parts in due[1]:
                    self._commands.put(Frame(kind, epoch, joined(parts)))
                self.tell(due[0])

    @abstractmethod
    def _take_words(self, before: Words) -> None:
        """With the lock, apply the words that have just arrived; `before` are those before them."""

    def _hang_up(self) -> None:
        """Let the listener know that no more commands will arrive."""
        self._commands.put(None)

    def receive(self, into: deque[Frame]) -> None:
        frame = self._commands.get()
        if frame is None:
            self._hang_up()
            raise LinkClosedError("the parent is gone")
        into.append(frame)

    def acknowledged(self, epoch: int) -> int:
        words = self._words
        return words.total if words.epoch == epoch else 0

    def wait_for_credit(self, epoch: int, total: int) -> bool:
        return self._wait(epoch, total, lambda: self.acknowledged(epoch) >= total)

    def wait_for_parent(self, epoch: int, made: int) -> bool:
        return self._wait(epoch, ~made, lambda: self._words.awaited >= epoch)

    def _wait(self, epoch: int, total: int, is_over: Callable[[], bool]) -> bool:
        self._waits.begin()
        try:
            while True:
                words = self._words
                if words.revoked >= epoch or words.closed:
                    return False
                if is_over():
                    return True
                if self._wish is None:
                    self._wish = epoch, total
                    self._urgent = True  # the parent has to know the wish
                    self._due.ring()
                self._granted.wait()
        finally:
            self._wish = None
            self._waits.end()
