"""Draw the state diagrams of worker and parent from the transition tables.

    python docs/make_diagrams.py            writes them into docs/explain/protocol.md
    python docs/make_diagrams.py --check    tells whether they are up to date

A label reads "what happens / what comes of it". Transitions between the same two states share an
arrow, what leaves a state as it is stands inside its box, and what happens alike in every state but
Done is drawn once.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

DOCS = Path(__file__).resolve().parent
if __name__ == "__main__":  # the tables of this checkout, whatever is installed
    sys.path[:0] = [str(DOCS.parent / "src"), str(DOCS.parent)]

from docs.made_parts import replace, write_or_check  # noqa: E402  see above
from farside._protocol import parent_machine as parents  # noqa: E402
from farside._protocol.messages import Cmd, Status  # noqa: E402
from farside._protocol.worker import WORKER  # noqa: E402

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterable, Mapping, Sequence

    Table = Mapping[Any, Any]  # of the worker, or of the parent

PAGE = DOCS / "explain" / "protocol.md"
COMMAND = "python docs/make_diagrams.py"


def draw(table: Table) -> str:
    """Draw a transition table as a Mermaid state diagram."""
    first: enum.IntEnum = next(iter(table))[0]
    states = list(type(first))
    common = _common(table, states)
    arrows: defaultdict[tuple[str, str], list[tuple[Any, str]]] = defaultdict(list)
    for state in states:
        for (of, what), step in table.items():
            if of is state:
                source, target = state.name, step.state.name
                if what in common and source != "DONE":
                    source, target = "EVERY", target if step.state is not state else "EVERY"
                entry = (what, _outcome(step))
                if entry not in arrows[source, target]:
                    arrows[source, target].append(entry)
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{_words(state.name).title()}" as {state.name}' for state in states]
    if common:
        lines.append('    state "Every state but Done" as EVERY')
    lines.append(f"    [*] --> {states[0].name}")
    for (source, target), entries in arrows.items():
        text = "<br>".join(_labels(entries))
        lines.append(
            f"    {source}: {text}" if source == target else f"    {source} --> {target}: {text}"
        )
    lines.append("    DONE --> [*]")
    return "\n".join(lines)


def _common(table: Table, states: Iterable[enum.IntEnum]) -> set[Any]:
    """Return the inputs that mean the same in every state but Done: one step, or none at all."""
    live = [state for state in states if state.name != "DONE"]
    common = set()
    for what in {what for _, what in table}:
        if all((state, what) in table for state in live):
            steps = [(state, table[state, what]) for state in live]
            same = {step for _, step in steps}
            stay = {_outcome(step) for state, step in steps if step.state is state}
            if len(same) == 1 or (len(stay) == 1 and all(step.state is of for of, step in steps)):
                common.add(what)
    return common


def _labels(entries: Sequence[tuple[Any, str]]) -> list[str]:
    """Return one line for each transition; both ages of a status share a line."""
    lines: dict[str, None] = {}
    for what, outcome in entries:
        both = isinstance(what, tuple) and all(
            ((what[0], age), outcome) in entries for age in parents.Age
        )
        text = _input(what, both=both)
        lines[f"{text} / {outcome}" if outcome else text] = None
    return list(lines)


def _input(what: Any, *, both: bool) -> str:
    if not isinstance(what, tuple):
        return _name(what)
    status, age = what
    if both:
        return f"{status.name} (any pass)"
    return status.name + (" (earlier pass)" if age is parents.Age.OLD else "")


def _outcome(step: Any) -> str:
    if hasattr(step, "push"):
        return "" if step.push is None else step.push.name
    return "discarded" if step.discards else ", ".join(each.name for each in step.send)


def _name(member: enum.IntEnum) -> str:
    """What is sent keeps its name; what happens is said in words."""
    return member.name if isinstance(member, (Cmd, Status)) else _words(member.name)


def _words(name: str) -> str:
    return name.lower().replace("_", " ").replace("cmd", "command")


def update(page: str, worker: Table = WORKER, parent: Table = parents.PARENT) -> str:
    """Return the page with both diagrams drawn anew."""
    drawn = {"worker diagram": worker, "parent diagram": parent}
    return replace(
        page, {name: f"```mermaid\n{draw(table)}\n```\n" for name, table in drawn.items()}
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the diagrams, or check them."""
    return write_or_check(
        PAGE,
        update,
        arguments,
        task="Draw the state diagrams from the tables.",
        written="; now run: python docs/render_diagrams.py",
        differ=f"The diagrams differ from the tables; run: {COMMAND}",
        source="the tables",
    )


if __name__ == "__main__":
    sys.exit(main())
