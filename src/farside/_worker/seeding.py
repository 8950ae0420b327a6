"""Seeds the generators of ``random``, NumPy and PyTorch, also where a library is imported later."""

from __future__ import annotations

import random
from contextlib import contextmanager
from sys import modules

from .._in_c import partial
from .import_hook import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
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


def seed_all(seed: int) -> None:
    """Seed all generators but those of accelerators."""
    _LATE.seed = seed  # first: a library may be imported after it was looked for here
    random.seed(seed)
    for name in _LIBRARIES:
        library = imported(name)
        if library is None:
            _LATE.watch(name)
        elif name == "numpy":
            library.random.seed(seed % 2**32)
        else:
            library.default_generator.manual_seed(seed % 2**63)


@contextmanager
def seeded(text: str) -> Iterator[None]:
    """Seed the generators by a text, and restore their states at the end."""
    before = random.getstate()
    known = {name: _state_of(name) for name in _LIBRARIES if imported(name) is not None}
    outer = _LATE.seed
    try:
        seed_all(number_of(text))
        yield
    finally:
        _LATE.seed = outer
        random.setstate(before)
        for name in _LIBRARIES:
            if name in known:
                _put_back(name, known[name])
            elif imported(name) is not None:  # it was imported meanwhile
                _seed_new(name, outer)


_LIBRARIES = {"numpy", "torch"}


def _seed_new(name: str, seed: int | None) -> None:
    """Seed a library that was just imported; None: at random, as its import does."""
    library: Any = modules[name]
    if name == "numpy":
        library.random.seed(None if seed is None else seed % 2**32)
    elif seed is None:
        library.seed()
    else:
        library.manual_seed(seed % 2**63)


def _state_of(name: str) -> Any:
    library: Any = modules[name]
    return library.random.get_state() if name == "numpy" else library.get_rng_state()


def _put_back(name: str, state: Any) -> None:
    library: Any = modules[name]
    (library.random.set_state if name == "numpy" else library.set_rng_state)(state)


class _Late:
    """Seeds a library as soon as it is imported: a data set may do so within its first sample."""

    def __init__(self) -> None:
        self.seed: int | None = None  # by which to seed it
        self._watched: set[str] = set()

    def watch(self, name: str) -> None:
        if name not in self._watched:
            self._watched.add(name)
            when_imported(name, partial(self._act, name))

    def _act(self, name: str) -> None:
        if self.seed is not None:
            _seed_new(name, self.seed)


_LATE = _Late()
