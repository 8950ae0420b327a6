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
    """The samplers that a loop may tell an epoch, and those inside, by their names for messages."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        inside = {
            f"sampler of the {n}": getattr(each, "sampler", None) for n, each in given.items()
        }
        both = {**given, **inside}
        self._samplers = {n: each for n, each in both.items() if hasattr(each, "set_epoch")}

    def check(self, epoch: int) -> None:
        """Warn, once, if a sampler was told another epoch than that of the pass that begins."""
        for name, sampler in self._samplers.items():
            told = _epoch_of(sampler)
            # Each begins with 0. And a loop may begin the next pass before it tells its epoch.
            if told is not None and told not in {0, epoch - 1, epoch}:
                self._samplers = {}
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
