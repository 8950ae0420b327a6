"""Every fault of a worker, in every stage of its life, on every backend: what the parent gets.

Each row is data. The tests perform them, and ``docs/make_faults.py`` makes the tables of
``docs/reference/faults.md`` of them.
"""

from __future__ import annotations

import signal
from typing import NamedTuple

METHODS = ("spawn", "forkserver", "fork")
SUBINTERPRETER = "subinterpreter"

AT_ONCE_S = 0.5
"""What is promised on an idle machine, from the death of a worker to the error in the parent."""


class Stage(NamedTuple):
    """Where in its life a worker is."""

    title: str
    """As the documentation says it."""
    where: str
    """Where the parent learns of it."""
    state: str = "iteration"
    """Of the parent."""
    last_index: tuple[int | None, ...] = (None,)
    """Indices of the last item that may have arrived."""
    failed_stage: str = "next"
    """Which `WorkerFailedError.stage` a failure there has; empty where no user code can fail."""
    item_index: int | None = None
    """Of the item in the making."""


CALL = "`call()`"
ENTRY, LOOP, NEXT_ONE, CLOSE = "the entry point", "the loop", "the next `next()`", "`close()`"

STAGES = {
    "starting": Stage(
        "loading `fn` (not with `fork`)", ENTRY, state="initialization", failed_stage="load"
    ),
    "initializer": Stage(
        "an initializer", ENTRY, state="initialization", failed_stage="initializer"
    ),
    "fn": Stage("`fn`", ENTRY, state="initialization", failed_stage="fn"),
    "iter": Stage("`iter()`", LOOP, failed_stage="iter", item_index=0),
    "first next": Stage("the first `next()`", LOOP, item_index=0),
    "waiting": Stage("a later `next()`", LOOP, last_index=(2,), item_index=3),
    "busy": Stage(
        "a later `next()`, your loop being busy", NEXT_ONE, last_index=(0, 1, 2), item_index=3
    ),
    "credit": Stage(
        "full: items wait to be taken", NEXT_ONE, last_index=(0, 1, 2), failed_stage=""
    ),
    "stand by": Stage("no pass is open", NEXT_ONE, failed_stage=""),
    "call": Stage("a method, by `call()`", CALL, state="call", failed_stage="call"),
    "closing": Stage("a `finally`, as it is closed", CLOSE, failed_stage=""),
    "finalizer": Stage("a finalizer, as it is closed", CLOSE, failed_stage=""),
}


class Outcome(NamedTuple):
    """What the parent gets."""

    kind: str
    code: int | None = None
    original: str = ""
    reason: str = ""


def fails(original: str) -> Outcome:
    return Outcome("fails", original=original)


def dies(code: int) -> Outcome:
    return Outcome("dies", code)


def ends_all(code: int) -> Outcome:
    return Outcome("ends the process", code)


def senseless(reason: str) -> Outcome:
    return Outcome("senseless", reason=reason)


LETS_GO = Outcome("lets go")
"""It lives, but has closed its end of the link; it is then killed."""
LOST = Outcome("lost")
"""As LETS_GO, in the parent's own process."""
TIMES_OUT = Outcome("times out")
GOES_ON = Outcome("goes on")
CLOSES = Outcome("closes")
ABANDONED = Outcome("abandoned")
WARNS = Outcome("warns")
"""A finalizer has failed, or was cut off; otherwise it is closed."""


class Way(NamedTuple):
    """A way to go wrong: what comes of it in a process, and in a subinterpreter."""

    title: str
    process: Outcome
    subinterpreter: Outcome


def _death(title: str, code: int) -> Way:
    return Way(title, dies(code), ends_all(code))


WAYS = {
    "exception": Way("raises an exception", fails("ValueError"), fails("ValueError")),
    "SystemExit": Way("raises `SystemExit`", fails("SystemExit"), fails("SystemExit")),
    "out of memory": Way("runs out of memory", fails("MemoryError"), fails("MemoryError")),
    "os._exit(0)": _death("calls `os._exit(0)`", 0),
    "os._exit(3)": _death("calls `os._exit(3)`", 3),
    "SIGKILL": _death("is killed: SIGKILL", -signal.SIGKILL),
    "SIGTERM": _death("is terminated: SIGTERM", -signal.SIGTERM),
    "SIGSEGV": _death("crashes: SIGSEGV", -signal.SIGSEGV),
    "a Python loop": Way("never ends: a Python loop", TIMES_OUT, TIMES_OUT),
    "a blocking call": Way("never ends: a blocking call, a sleep", TIMES_OUT, TIMES_OUT),
    "a call that holds the GIL": Way("never ends: C code that holds the GIL", TIMES_OUT, TIMES_OUT),
    "closed streams": Way("closes stdin, stdout, stderr", GOES_ON, GOES_ON),
    "closed descriptors": Way("closes all file descriptors", LETS_GO, LOST),
}

NO_CODE = "no code of the iterable runs then; in another thread, this ends only that thread"
NO_HARM = "no code of the iterable runs then; in another thread, this holds up nothing"
NOT_LOADED = "a forked worker loads nothing"

_SENSELESS = {
    **dict.fromkeys(("exception", "SystemExit", "out of memory"), senseless(NO_CODE)),
    **dict.fromkeys(("a Python loop", "a blocking call"), senseless(NO_HARM)),
}


class Row(NamedTuple):
    """One fault in one stage of one kind of worker."""

    stage: str
    way: str
    kind: str

    @property
    def outcome(self) -> Outcome:
        way = WAYS[self.way]
        outcome = way.subinterpreter if self.kind == SUBINTERPRETER else way.process
        if self.stage == "starting" and self.kind == "fork":
            return senseless(NOT_LOADED)
        if self.stage in {"credit", "stand by"}:
            return _SENSELESS.get(self.way, outcome)
        if self.stage in {"closing", "finalizer"}:
            return self._as_it_is_closed(outcome)
        return outcome

    def _as_it_is_closed(self, outcome: Outcome) -> Outcome:
        if outcome.kind == "ends the process":
            return outcome
        if self.stage == "finalizer" and outcome.kind == "fails":
            return WARNS
        stuck_in_c = self.way in {"a blocking call", "a call that holds the GIL"}
        if stuck_in_c and self.kind == SUBINTERPRETER:
            return ABANDONED
        return WARNS if self.stage == "finalizer" and outcome is TIMES_OUT else CLOSES

    def __str__(self) -> str:
        return f"{self.kind}-{self.stage}-{self.way}".replace(" ", "_")


ROWS = [
    Row(stage, way, kind) for kind in (*METHODS, SUBINTERPRETER) for stage in STAGES for way in WAYS
]
