"""Asks a sampler for its order in an epoch: the same in each worker, and after a resume."""

from __future__ import annotations

from copy import deepcopy
from itertools import islice

from .seeding import number_of, seeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def draw(sampler: Any, dataset: Any, seed: str, epoch: int, most: int) -> list[Any]:
    """Return the first `most` elements of a sampler in an epoch, which seed and epoch decide.

    A copy of the sampler is asked, after its generator and those of the libraries were seeded. So
    nothing that the sampler did before counts: a worker that begins with this epoch gets the same.
    """
    copy = deepcopy(sampler, {id(dataset): dataset})  # many samplers refer to the data set
    number = number_of(seed)
    for each in (copy, getattr(copy, "sampler", None)):  # a BatchSampler has one in it
        getattr(each, "set_epoch", id)(epoch)
        getattr(getattr(each, "generator", None), "manual_seed", id)(number)
    with seeded(seed):
        return list(islice(copy, most))
