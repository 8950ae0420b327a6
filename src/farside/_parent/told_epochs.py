"""Notices that a loop tells a sampler its epoch, as it does with a ``DataLoader``.

The workers of `farside.torch.data_loader` have copies of the sampler, which are not told. Each copy
gets the epoch of the loader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import FarsideWarning
from .notes import warn

if TYPE_CHECKING:
    from collections.abc import Mapping


class ToldEpochs:
    """The epochs that samplers had as the loader was made, by their names for messages."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        tellable = {name: each for name, each in given.items() if hasattr(each, "set_epoch")}
        self._told = [(name, each, _epoch_of(each)) for name, each in tellable.items()]

    def check(self, epoch: int) -> None:
        """Warn, once, if a sampler was told another epoch than that of the pass that begins."""
        for name, sampler, before in self._told:
            told = _epoch_of(sampler)
            if told is not None and told not in {before, epoch}:
                self._told = []
                warn(
                    f"the {name} was told epoch {told}, but this is epoch {epoch} of the loader, "
                    f"whose workers have copies of the {name}; begin with "
                    f"loader.set_epoch({told}), or load a state; each later pass is the next epoch",
                    FarsideWarning,
                )
                break


def _epoch_of(sampler: Any) -> Any:
    """Return the epoch of a sampler; None if that is no number, or elsewhere."""
    epoch = getattr(sampler, "__dict__", {}).get("epoch")
    return epoch if type(epoch) is int else None
