"""Entry points that take their options as ``**options``, with a signature that lists them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import Parameter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .defaults import DEFAULTS

if TYPE_CHECKING:
    from ..options import SeveralOptions

    class ShardOptions(SeveralOptions, total=False):
        in_order: bool
        cycle_length: int | None
        shuffle_shards: bool
        rank: int
        world_size: int
        length: int | None
        max_restarts: int
        verify_replay: bool

    class MapOptions(SeveralOptions, total=False):
        in_order: bool
        task_timeout: float | None
        retries: int


F = TypeVar("F", bound="Callable[..., Any]")

_TAKEN_BY: dict[str, list[str]] = {}  # for each option, the entry points that take it


def takes(options: Any, **defaults: object) -> Callable[[F], F]:
    """Let the signature of a function show each option that its ``**options`` may have.

    `options` is a `typing.TypedDict` with their names and types. `DEFAULTS` has the defaults of
    those that are not among `defaults`.
    """

    def show(function: F) -> F:
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        types = options.__annotations__
        for name, default in {**DEFAULTS, **defaults}.items():
            if name in types:
                type_ = types[name].__forward_arg__
                kind = Parameter.KEYWORD_ONLY
                own.append(Parameter(name, kind, default=default, annotation=type_))
        for each in own:
            _TAKEN_BY.setdefault(each.name, []).append(_name(function))
        made = knows(function, [each.name for each in own])
        vars(made)["__signature__"] = signature.replace(parameters=own)
        return made

    return show


def knows(function: F, names: Iterable[str] = ()) -> F:
    """Let a function raise TypeError if it is given an option that is not among `names`.

    Python alone would first tell of an argument that is missing: the same one by another name.
    """
    known = [*(names or inspect.signature(function).parameters)]

    @wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        unknown = [f"{name!r}{_cure(name, known)}" for name in options if name not in known]
        if unknown:
            what = f"an unexpected keyword argument {unknown[0]}"
            if len(unknown) > 1:  # users who come from another library may have several
                what = "\n  ".join(["unexpected keyword arguments", *unknown])
            raise TypeError(f"{_name(function)}() got {what}")
        return function(*args, **options)

    return cast("F", checked)


def complete(function: Callable[..., Any], options: Mapping[str, object]) -> dict[str, Any]:
    """Add the defaults of the options that an entry point, decorated by `takes`, was not given."""
    parameters = inspect.signature(function).parameters.values()
    return {**{each.name: each.default for each in parameters if each.name in DEFAULTS}, **options}


def _name(function: Callable[..., Any]) -> str:
    return function.__qualname__.removesuffix(".__init__")


_OF_OTHERS = {
    "concurrency": "num_workers",
    "generator": "seed",
    "iterable": "items",
    "max_restarts": "retries",
    "max_tasks_active": "buffer_size",
    "max_workers": "num_workers",
    "multiprocessing_context": "mp_context",
    "n_jobs": "num_workers",
    "n_workers": "num_workers",
    "num_parallel_calls": "num_workers",
    "num_proc": "num_workers",
    "pre_dispatch": "buffer_size",
    "prefetch": "buffer_size",
    "prefetch_batches": "buffer_size",
    "prefetch_factor": "buffer_size",
    "processes": "num_workers",
    "start_method": "mp_context",
    "use_worker_state": "setup",
    "worker_exit": "finalizer",
    "worker_init": "initializer",
    "workers": "num_workers",
}
"""Names that other libraries, or other functions, have for options."""

_ELSE = {
    "fn": "function",
    "function": "fn",
    "iterable": "fn",
    "num_workers": "max_workers",
    "timeout": "task_timeout",
}
"""What another of the functions, or `WorkerExecutor`, calls the same."""

_LOADER = (
    "farside.torch.data_loader takes it for a data set of PyTorch; else your function makes the "
    'batches, and draws the order of what is in them: see "From PyTorch\'s DataLoader" in the '
    "documentation"
)
_OF_LOADER = (
    "batch_sampler", "batch_size", "collate_fn", "drop_last", "sampler", "shuffle",
)  # fmt: skip
_PINNED = (
    "pin in the process that has the accelerator, by in_thread(prepare): see 'Pinned memory and "
    "overlap' in the documentation"
)
_SEVERAL = "leave it out, since what is small is sent many at a time"
_ARGUMENTS = ("args", "fn_args", "fn_kwargs", "kwargs")
_LIFESPANS = ("max_tasks_per_child", "maxtasksperchild", "worker_lifespan")
_CURES = {
    **dict.fromkeys(_OF_LOADER, _LOADER),
    **dict.fromkeys(_ARGUMENTS, "give them to the function by functools.partial"),
    **dict.fromkeys(("num_cpus", "num_gpus"), "backend='ray' has it in its backend_options"),
    **dict.fromkeys(("chunk_size", "chunksize"), _SEVERAL),
    **dict.fromkeys(("deterministic", "return_as"), "in_order=False gives what comes first"),
    **dict.fromkeys(("pin_memory", "pin_memory_device"), _PINNED),
    **dict.fromkeys(_LIFESPANS, "WorkerExecutor takes max_tasks_per_child"),
    "arena": "leave it out, since large contents go through shared memory by themselves",
    "block_length": "let your function yield lists",
    "initargs": "give them to the initializer by functools.partial",
    "num_epochs": "loop once for each epoch",
    "pass_worker_id": "get_worker_info().index is the number, in the worker",
    "progress_bar": "loop over tqdm(results)",
    "shared_objects": "make them in the worker, by setup",
    "worker_init_fn": "use 'initializer', which is called without an argument: the worker's number "
    "is get_worker_info().index",
    "persistent_workers": "leave it out, since workers stay until close()",
}
"""What to do instead, for options of other libraries that have no counterpart."""


def _cure(name: str, known: list[str]) -> str:
    same = _OF_OTHERS.get(name, name)
    for each in (same, _ELSE.get(name), _ELSE.get(same)):
        if each in known:
            return f"; use {each!r}"
    if (cure := _CURES.get(name)) is not None:
        shards = name == "shuffle" and "shuffle_shards" in known
        return f"; {'shuffle_shards=True draws the order of the shards; ' * shards}{cure}"
    others = _TAKEN_BY.get(same, [])
    if "max_workers" in known:  # an executor calls functions, and only one other does
        others = [each for each in others if each == "map_in_workers"]
    if others:
        return f"; {others[0]} takes {'it' if same == name else same}"
    import difflib  # which most programs never need

    if near := difflib.get_close_matches(name, known, n=1):
        return f"; did you mean {near[0]!r}?"
    return f"; it takes {', '.join(known).removeprefix('self, ')}"
