"""Every contestant, by name. To add one, write a class and list it in its module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ceilings, farside, libraries, pools, pypi_pools, ray, spdl, torch

if TYPE_CHECKING:
    from .base import Contestant

CONTESTANTS: dict[str, Contestant] = {
    each.name: each
    for each in (
        *farside.CONTESTANTS,
        *ceilings.CONTESTANTS,
        *spdl.CONTESTANTS,
        *pools.CONTESTANTS,
        *pypi_pools.CONTESTANTS,
        *ray.CONTESTANTS,
        *torch.CONTESTANTS,
        *libraries.CONTESTANTS,
    )
}
