"""The order that a sampler gives in an epoch: the same in each worker, and after a resume."""

from __future__ import annotations

import random
from contextlib import contextmanager
from copy import deepcopy
from itertools import islice
from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def draw(sampler: Any, dataset: Any, seed: str, epoch: int, most: int) -> list[Any]:
    """Return what a sampler gives in an epoch, as `seed` and the epoch decide; `most` at most.

    A copy of it is asked, with its own generator and those of the libraries seeded. So nothing that
    it has done before counts: a worker that begins with this epoch gets the same.
    """
    copy = deepcopy(sampler, {id(dataset): dataset})  # many samplers refer to the data set
    number = _number_of(seed)
    for each in (copy, getattr(copy, "sampler", None)):  # a BatchSampler has one in it
        getattr(each, "set_epoch", id)(epoch)
        getattr(getattr(each, "generator", None), "manual_seed", id)(number)
    with seeded(seed):
        return list(islice(copy, most))


def _number_of(text: str) -> int:
    return random.Random(text).getrandbits(63)  # noqa: S311


@contextmanager
def seeded(text: str) -> Iterator[None]:
    """Seed the generators of the libraries by a text, and put back what they were at the end."""
    seed = _number_of(text)
    numpy, torch = modules.get("numpy"), modules.get("torch")
    before = random.getstate()
    numpy_before = None if numpy is None else numpy.random.get_state()
    torch_before = None if torch is None else torch.get_rng_state()
    random.seed(seed)
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
    if torch is not None:
        torch.default_generator.manual_seed(seed)  # not those of accelerators
    try:
        yield
    finally:
        random.setstate(before)
        if numpy is not None:
            numpy.random.set_state(numpy_before)
        if torch is not None:
            torch.set_rng_state(torch_before)
