"""Seeds the generators of ``random``, NumPy and PyTorch, also where a library is imported later."""

from __future__ import annotations

import random
from contextlib import contextmanager
from sys import modules

from .._in_c import partial
from .import_hook import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def number_of(text: str) -> int:
    return random.Random(text).getrandbits(63)  # noqa: S311


def imported(name: str) -> Any:
    """Return a library if it is imported; if another thread is importing it, wait for that."""
    if modules.get(name) is None:
        return None
    try:
        return __import__(name)  # in C: it costs next to nothing if the library is imported
    except Exception:  # the other thread has failed
        return None


def seed_all(seed: int, *, accelerators: bool = False) -> None:
    """Seed all generators.

    Those of accelerators are seeded with libraries that are imported later; with `accelerators`,
    also with those that are imported already.
    """
    global _late  # noqa: PLW0603  as in the modules that are seeded
    _late = seed  # first: a library may be imported after it was looked for here
    random.seed(seed)
    for name, seed_late in _LIBRARIES.items():
        if imported(name) is None:
            when_imported(name, seed_late)
        else:
            _seed(name, seed, accelerators=accelerators)


@contextmanager
def seeded(text: str) -> Iterator[None]:
    """Seed the generators by a text, and restore their states at the end."""
    before = random.getstate()
    restore = {name: _restorer(name) for name in _LIBRARIES if imported(name) is not None}
    global _late  # noqa: PLW0603  as above
    outer = _late
    try:
        seed_all(number_of(text))
        yield
    finally:
        _late = outer
        random.setstate(before)
        for name in _LIBRARIES:
            if name in restore:
                restore[name]()
            elif imported(name) is not None:  # it was imported meanwhile
                _seed(name, outer)


def _seed(name: str, seed: int | None, *, accelerators: bool = True) -> None:
    """Seed a library; None: at random, as its import does."""
    library: Any = modules[name]
    if name == "numpy":
        library.random.seed(None if seed is None else seed % 2**32)
    elif seed is None:
        library.seed()
    else:
        (library if accelerators else library.default_generator).manual_seed(seed % 2**63)


def _restorer(name: str) -> Callable[[], object]:
    """Return a function that puts the generator of a library back where it is now."""
    library: Any = modules[name]
    if name == "numpy":
        return partial(library.random.set_state, library.random.get_state())
    return partial(library.set_rng_state, library.get_rng_state())


_late: int | None = None
"""By which to seed a library once it is imported: a data set may do so within its first sample."""


def _seed_late(name: str) -> None:
    if _late is not None:
        _seed(name, _late)


_LIBRARIES = {name: partial(_seed_late, name) for name in ("numpy", "torch")}
