"""What scripts start workers with. Workers do not import it: it imports all of farside."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.kinds import Kind
from tests.scripts.acts import Acts, Sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from farside import RemoteIterable

KIND_VARIABLE = "FARSIDE_TEST_KIND"
_numbers = count()


class Begun(NamedTuple):
    """A worker that has come to where it stays."""

    iterable: RemoteIterable[Any]
    iterator: Iterator[Any]
    pid: int


def chosen_kind() -> Kind:
    """Return the kind of workers that the test has chosen."""
    name = os.environ[KIND_VARIABLE]
    if name in {"subinterpreter", "inline"}:  # the first is not in `tests.kinds` inside of one
        return Kind(name, name, {})
    return Kind(name, "subprocess", {"mp_context": name})


def start(fn: Callable[[], Iterable[Any]], **options: Any) -> RemoteIterable[Any]:
    """Start a worker of the kind that the test has chosen."""
    return chosen_kind().start(fn, **options)


def begin(act: str, **options: Any) -> Begun:
    """Start a worker and bring it to a point; see `Acts`."""
    acts = Acts(act, Sign(f"sign-{os.getpid()}-{next(_numbers)}"))
    iterable = start(acts, **({"buffer_size": 1} if act in {"credit", "thread"} else {}), **options)
    iterator = iter(iterable)
    pid = next(iterator)
    if act == "idle":
        assert list(iterator) == []
    else:
        acts.sign.wait()
    return Begun(iterable, iterator, pid)
