"""Write the tables of faults from the rows that the tests perform.

python docs/make_faults.py            writes them into docs/reference/faults.md
python docs/make_faults.py --check    tells whether they are up to date
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).resolve().parent
if __name__ == "__main__":  # the rows and the library of this checkout, whatever is installed
    sys.path[:0] = [str(DOCS.parent / "src"), str(DOCS.parent)]

from docs.made_parts import replace, write_or_check  # noqa: E402  see above
from tests.faults.matrix import (  # noqa: E402
    METHODS,
    NOT_LOADED,
    STAGES,
    SUBINTERPRETER,
    WAYS,
    Outcome,
    Row,
    Stage,
)
from tests.faults.surroundings import (  # noqa: E402
    GOES_ON,
    NOT_IMPORTED,
    ON_3_14,
    ROWS,
    SPAWNED,
    TAKES_OVER,
    TIMES_OUT,
    UNAVAILABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PAGE = DOCS / "reference" / "faults.md"
COMMAND = "python docs/make_faults.py"

GROUPS = {
    "while it starts": ("starting", "initializer", "fn"),
    "while it makes items": ("iter", "first next", "waiting", "busy"),
    "in `call()`": ("call",),
    "while it waits for you": ("credit", "stand by"),
    "as it is closed": ("closing", "finalizer"),
}
"""Stages in which the same comes of a fault."""


def _dies(outcome: Outcome, _: Stage) -> str:
    assert outcome.code is not None
    name = f"{signal.Signals(-outcome.code).name}, " if outcome.code < 0 else ""
    return f"`WorkerDiedError`: {name}exit code {outcome.code}"


def _fails(outcome: Outcome, stage: Stage) -> str:
    if stage.failed_stage == "call":
        kind = "`CallFailedError`[^call]"
    else:
        kind = (
            f"`Worker{'Initialization' if stage.state == 'initialization' else 'Iteration'}Error`"
        )
    also = "" if outcome.original == "SystemExit" else f", also a `{outcome.original}`"
    return f"{kind}{also}"


TEXTS: dict[str, Callable[[Outcome, Stage], str]] = {
    "fails": _fails,
    "dies": _dies,
    "lets go": lambda *_: "`WorkerDiedError`[^letting-go]",
    "lost": lambda *_: "`WorkerDiedError`[^all-descriptors]",
    "times out": lambda *_: "`WorkerTimeoutError`[^timeout]",
    "goes on": lambda *_: "nothing: it goes on",
    "closes": lambda *_: "nothing: it is closed",
    "abandoned": lambda *_: "`WorkerAbandonedWarning`[^abandoned]",
    "warns": lambda *_: "for a finalizer `FinalizerFailedWarning`",
    "ends the process": lambda outcome, _: f"**your process ends**, exit code {outcome.code}",
    "senseless": lambda *_: "nothing[^no-code]",
}


def by_way(kinds: Sequence[str]) -> str:
    """Make the table of what comes of a fault, for kinds of workers that are alike in it."""
    rows = [
        [way.title, *(_cell(name, stages, kinds) for stages in GROUPS.values())]
        for name, way in WAYS.items()
    ]
    return _table(["the worker …", *GROUPS], rows)


def _cell(way: str, stages: Iterable[str], kinds: Sequence[str]) -> str:
    texts = dict.fromkeys(
        TEXTS[row.outcome.kind](row.outcome, STAGES[stage])
        for stage in stages
        for kind in kinds
        if (row := Row(stage, way, kind)).outcome.reason != NOT_LOADED
    )
    return "; ".join(texts)


COMES_OF_IT = {
    GOES_ON: "nothing: it works",
    TAKES_OVER: "a subprocess takes over[^instead]",
    ON_3_14: "on Python 3.14 a subprocess takes over[^instead]",
    NOT_IMPORTED: "nothing, unless `fn` is defined in it: then `WorkerTimeoutError`",
    SPAWNED: "it is spawned[^no-server]",
    UNAVAILABLE: "`BackendUnavailableError`",
    TIMES_OUT: "`WorkerTimeoutError`",
}


def by_surroundings() -> str:
    """Make the table of what a process can be like, and what comes of it."""
    return _table(
        ["your process …", "a worker that is a process", "a subinterpreter"],
        [
            [row.title, COMES_OF_IT[row.process], COMES_OF_IT[row.subinterpreter]]
            for row in ROWS.values()
        ],
    )


def by_stage() -> str:
    """Make the table of where a fault shows, and what the error says of the place."""
    rows = [
        [stage.title, stage.where, f"`{stage.state}`", _last(stage), _failed(stage)]
        for stage in STAGES.values()
        if stage.where != "`close()`"
    ]
    return _table(
        [
            "the worker is in …",
            "raised by",
            "`state`",
            "`last_index`",
            "a failure's `stage`, `item_index`",
        ],
        rows,
    )


def _last(stage: Stage) -> str:
    known = [each for each in stage.last_index if each is not None]
    if len(known) > 1:
        return "of the last item that came[^lost]"
    return f"of the last item: `{known[0]}`" if known else "`None`"


def _failed(stage: Stage) -> str:
    return f"`{stage.failed_stage}`, `{stage.item_index}`" if stage.failed_stage else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "process": lambda: by_way(METHODS),
    "subinterpreter": lambda: by_way([SUBINTERPRETER]),
    "stages": by_stage,
    "surroundings": by_surroundings,
}


def update(page: str) -> str:
    """Return the page with its tables made anew."""
    return replace(page, {name: f"\n{make()}\n" for name, make in TABLES.items()}, "table {!r}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or check them."""
    return write_or_check(
        PAGE,
        update,
        arguments,
        task="Write the tables of faults from the rows.",
        differ=f"The tables differ from the rows; run: {COMMAND}",
        source="the rows",
    )


if __name__ == "__main__":
    sys.exit(main())
