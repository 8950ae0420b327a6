"""Divides a data set without an index for `farside.torch.data_loader`: a part for each worker.

A data set that has a state is copied for each epoch, and copies for earlier epochs are freed.
"""

from __future__ import annotations

import gc
from copy import deepcopy
from importlib import import_module
from itertools import islice
from sys import modules
from weakref import ref

from .._payload import handlers
from .._payload.one_line import one_line
from ..errors import ExhaustedIteratorWarning, FarsideWarning
from .iterables import resumable
from .snapshots import Stateful, has_state
from .torch_info import add_dataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .._payload.worker_info import WorkerInfo

_PLAIN = {dict, list, tuple}  # there may be very many of them, and they allow no weak references
_USED_UP = (
    "this epoch has no samples: the data set is its own iterator, and an earlier epoch has used "
    "it up; let its __iter__ begin anew, or return a new iterator"
)
_MOST = 1000  # how many parts of a copy are looked at later; the outermost come first


class Part(Stateful):
    """Iterates over the batches of a part, or over its samples if there is no `size`.

    A part has a state if the data set has one, or its iterator. Then `seed`, which seeds the
    generators by a number, is called before each batch but the first, so that a worker that
    continues at a batch draws what the one before would have drawn.

    If the data set has a state, a new copy of it is iterated in each pass. Without the copy, a pass
    that was left, or resumed from a state, would let the next one begin where it has ended.
    """

    def __init__(
        self,
        dataset: Any,
        size: int | None,
        drop_last: bool,  # noqa: FBT001  as in `loader.Batches`
        collate: Callable[[Any], Any],
        *,
        seed: Callable[[int], None],
        copies: Copies,
    ) -> None:
        self._uncopied = ""  # why the data set could not be copied
        self._holder: Any = None
        if has_state(dataset):
            dataset, collate, self._uncopied = copies.make(dataset, collate)
            self._holder = dataset
            add_dataset(dataset)
        self._dataset, self._collate = dataset, collate
        self._size, self._drop_last = size, drop_last
        self._seed, self._copies = seed, copies
        self._made = 0  # how many batches
        self._samples: Any = None  # the iterator, if it was made to load its state

    @property
    def of(self) -> str:
        return type(self._holder).__name__

    def __iter__(self) -> Iterator[Any]:
        size = self._size or 1
        self._copies.left = True
        samples = iter(self._dataset) if self._samples is None else self._samples
        if self._holder is None and has_state(samples):
            self._holder = samples
        itself = samples is self._dataset
        samples = resumable(samples)  # `islice` calls `iter()`, which may begin it anew
        while True:
            if self._made and self._holder is not None:
                self._seed(self._made)  # not before `iter()`: what that draws is the same each time
            batch = list(islice(samples, size))
            if not batch or (len(batch) < size and self._drop_last):
                self._copies.left = False
                if itself:
                    self._copies.end_of_iterator(empty=not batch and not self._made)
                return
            self._made += 1
            yield self._collate(batch if self._size else batch[0])

    def state_dict(self) -> dict[str, Any] | None:
        state = None if self._holder is None else self._holder.state_dict()
        return None if state is None else {"made": self._made, "data": state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._holder is None:
            self._samples = self._holder = iter(self._dataset)
        elif self._uncopied:  # what is loaded would stay for other passes
            raise TypeError(f"the data set cannot be copied, to load it there: {self._uncopied}")
        self._holder.load_state_dict(state["data"])
        self._made = state["made"]


class Copies:
    """Makes copies, one after the other."""

    def __init__(self) -> None:
        self.left = False  # whether the epoch before has not come to its end
        self._had_any = False  # whether an epoch of a data set that is its own iterator had samples
        self._before: list[ref[Any]] = []  # parts of the previous copy, which should be gone by now

    def make(self, dataset: Any, collate: Any) -> tuple[Any, Any, str]:
        """Copy a data set and its collate function together: the latter may be a method of it.

        Returns:
            The copies and an empty text; or the originals and why they could not be copied.
        """
        try:
            return *self._copied(dataset, collate), ""
        except Exception as error:  # user code
            if handlers.raised(error):
                raise
            why = one_line(error)
        if self.left:
            import warnings  # hardly ever

            text = (
                f"the data set cannot be copied ({why}), and the epoch before was left in the "
                "middle: if it keeps its place in itself, this epoch goes on there; let its "
                "__iter__ begin anew, or give it a __deepcopy__"
            )
            warnings.warn(text, FarsideWarning, stacklevel=2)
        return dataset, collate, why

    def end_of_iterator(self, *, empty: bool) -> None:
        """Note the end of an epoch of a data set that is its own iterator."""
        if empty and self._had_any:
            import warnings  # hardly ever

            warnings.warn(_USED_UP, ExhaustedIteratorWarning, stacklevel=2)
        self._had_any = self._had_any or not empty

    def _copied(self, dataset: Any, collate: Any) -> tuple[Any, Any]:
        if any(each() is not None for each in self._before):
            # A cycle keeps it, as in a data set that refers to its own method. Python may not look
            # for cycles for many epochs, since it counts a large array as one object.
            gc.collect()
        memo: dict[int, Any] = {}
        try:
            copy, collates = deepcopy((dataset, collate), memo)
        finally:
            self._before = [*islice(_references(memo), _MOST)]
        # A wrapper that forwards attributes may find ``__deepcopy__`` of the object that it wraps.
        if type(copy) is not type(dataset) or copy is dataset:
            kind = "itself" if copy is dataset else f"a {type(copy).__name__}"
            raise TypeError(f"the copy of a {type(dataset).__name__} is {kind}")
        return copy, collates


def _references(memo: dict[int, Any]) -> Iterator[ref[Any]]:
    """Yield weak references to the parts of a copy that it does not share with the original."""
    for original, part in memo.items():
        if type(part) not in _PLAIN and original != id(part):
            try:
                yield ref(part)
            except TypeError:  # the class of the part does not allow any
                continue


def tell_pipe(dataset: Any, info: WorkerInfo) -> None:
    """Set the part of a DataPipe of PyTorch, which does not ask for it, as a DataLoader does.

    A pipe that shuffles before the data is divided must shuffle in the same way in all workers.
    """
    data = modules.get("torch.utils.data")
    pipe = getattr(data, "IterDataPipe", None)  # None if PyTorch has no DataPipes any more
    if pipe is None or not isinstance(dataset, pipe):
        return
    settings = import_module("torch.utils.data.graph_settings")
    settings.apply_sharding(dataset, info.shard_count, info.shard)
    generator = modules["torch"].Generator()
    generator.manual_seed((info.seed + info.epoch) % 2**63)
    settings.apply_random_seed(dataset, generator)
