"""Asks a sampler for the order of an epoch, for `farside.torch.data_loader`."""

from __future__ import annotations

from copy import deepcopy
from itertools import islice

from .._payload import handlers
from .._payload.one_line import one_line
from .._payload.records import shown
from .seeding import number_of, seeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIXED = {list, tuple, range}
_MANY = 64  # no order of so many elements comes twice by chance


class Asked:
    """A sampler that was given, of which each order is asked of a new copy.

    The copy is asked after its generator and those of the libraries were seeded. So nothing that
    the sampler did before counts: a worker that begins with this epoch gets the same. `name` is
    that of the argument, for messages.
    """

    def __init__(
        self, name: str, sampler: Any, dataset: Any, seed: int, most: int, *, batched: bool
    ) -> None:
        self._name, self._sampler, self._dataset = name, sampler, dataset
        self._seed, self._most, self._batched = seed, most, batched

    def order(self, epoch: int) -> list[Any]:
        """Return the first `most` elements of an epoch, which seed and epoch decide."""
        return self._ask(self._copy(), epoch)

    def check(self, order: list[Any], epoch: int) -> None:
        """Refuse a sampler whose copies would have other orders, or the same in all epochs.

        `order` is what a copy has given for `epoch`.
        """
        if not self._batched and type(self._sampler) in _FIXED:
            return
        copy = self._copy()
        if not alike(order, self._ask(copy, epoch)):
            raise ValueError(
                f"{self._name} gives another order when it is asked again, so each worker would "
                f"have its own; {_CURE}"
            )
        try:
            varies_alone = self._varies_alone(copy, order, epoch)
        except Exception as error:  # user code: of an epoch that may never come
            if handlers.raised(error):
                raise
            return
        if varies_alone:
            raise ValueError(
                f"{self._name} changes its order by what it has done before, which its copies have "
                f"not, so all epochs would have one order; {_CURE}, or let map_in_workers iterate "
                "it in your process"
            )

    def _varies_alone(self, copy: Any, order: list[Any], epoch: int) -> bool:
        """Tell whether the order changes with each use of the sampler, and by nothing else.

        `copy` was asked once.
        """
        if not alike(order, self.order(epoch + 1)):
            return False
        again = self._ask(copy, epoch)
        if len(again) != len(order) or alike(order, again):  # with none, it can be asked once
            return False
        # It may shuffle its own list in place, by a seeded generator. Then a short list has the
        # same order in two epochs by chance, but not in many.
        later = range(epoch + 2, epoch + 3 + _MANY // max(1, len(order)))
        return all(alike(order, self.order(each)) for each in later)

    def _copy(self) -> Any:
        try:
            return deepcopy(self._sampler, {id(self._dataset): self._dataset})  # many refer to it
        except Exception as error:  # user code
            if handlers.raised(error):
                raise
            raise TypeError(
                f"{self._name}={shown(self._sampler)} cannot be copied ({one_line(error)}), and "
                "each epoch asks a new copy for its order; let it make in __iter__ what cannot be "
                "copied, such as a lock or an open file"
            ) from error

    def _ask(self, copy: Any, epoch: int) -> list[Any]:
        seed = f"{self._seed} {epoch}"
        for each in (copy, getattr(copy, "sampler", None)):  # a BatchSampler has one in it
            if callable(set_epoch := getattr(each, "set_epoch", None)):
                set_epoch(epoch)
            getattr(getattr(each, "generator", None), "manual_seed", id)(number_of(seed))
        with seeded(seed):
            found = list(islice(copy, self._most))
            return list(map(list, found)) if self._batched else found


_CURE = (
    "let it draw from the generators of random, NumPy or PyTorch, or seed its own by "
    "set_epoch(epoch)"
)


def alike(one: Any, other: Any) -> bool:
    """Tell whether two orders are equal, also if they are of arrays or tensors."""
    try:
        return bool(one == other)
    except (ValueError, RuntimeError):  # arrays are compared by their elements, and so are tensors
        if hasattr(one, "tolist") and hasattr(other, "tolist"):
            return bool(one.tolist() == other.tolist())
        if isinstance(one, (list, tuple)):
            return len(one) == len(other) and all(map(alike, one, other))
        return repr(one) == repr(other)  # a dictionary of arrays, or the like
