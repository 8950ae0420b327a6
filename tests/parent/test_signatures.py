"""What users, editors and tools see of the entry points."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import farside
from farside import (
    WorkerExecutor,
    iterate_in_subinterpreter,
    iterate_in_subprocess,
    iterate_in_worker,
    iterate_in_workers,
    map_in_workers,
    options,
)
from farside._parent.defaults import DEFAULTS
from farside._parent.options import check
from farside._parent.signatures import complete, takes

_ENTRIES = [
    (iterate_in_subprocess, options.SubprocessOptions),
    (iterate_in_subinterpreter, options.SubinterpreterOptions),
    (iterate_in_worker, options.WorkerOptions),
]


@pytest.mark.parametrize(("entry", "typed"), _ENTRIES, ids=lambda each: each.__name__)
def test_the_signature_lists_each_option_with_its_default(entry: Any, typed: Any) -> None:
    fn, *shown = inspect.signature(entry).parameters.values()
    assert (fn.name, fn.default) == ("fn", fn.empty)
    assert {each.name for each in shown} == typed.__optional_keys__
    for each in shown:
        assert each.kind is each.KEYWORD_ONLY
        assert each.default == dict(DEFAULTS)[each.name]
        assert each.annotation


def test_the_signature_shows_values() -> None:
    shown = str(inspect.signature(iterate_in_worker))
    assert "buffer_bytes: 'int' = 4194304" in shown
    assert "timeout: 'float | None' = None" in shown


def test_more_may_wait_for_a_map() -> None:
    shown = str(inspect.signature(map_in_workers))
    assert "buffer_bytes: 'int' = 8388608" in shown
    assert complete(map_in_workers, {})["buffer_bytes"] == 1 << 23
    assert complete(map_in_workers, {"buffer_bytes": 1 << 20})["buffer_bytes"] == 1 << 20


def test_every_option_has_a_default_and_every_default_an_option() -> None:
    assert set(DEFAULTS) == options.WorkerOptions.__optional_keys__


def test_every_option_has_a_text_that_ends_with_its_default() -> None:
    tree = ast.parse(Path(options.__file__).read_text("utf-8"))
    texts = {
        before.target.id: ast.literal_eval(after.value)
        for group in tree.body
        if isinstance(group, ast.ClassDef)
        for before, after in zip(group.body, group.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
    }
    assert texts.keys() == DEFAULTS.keys()
    for name, default in DEFAULTS.items():
        shown = re.search(r"Default: (?:``)?([^`,.\s]+(?:\.\d)?)", texts[name])
        assert shown is not None, name
        assert ast.literal_eval(shown[1]) == default, name


def test_help_lists_every_option_once() -> None:
    assert iterate_in_worker.__doc__ is not None
    arguments = iterate_in_worker.__doc__.partition("Returns:")[0]
    listed = re.findall(r"^ {4,8}(\w+): .*", arguments, re.MULTILINE)
    assert sorted(listed) == sorted(["fn", "options", *DEFAULTS])


@pytest.mark.parametrize(
    ("entry", "name", "message"),
    [
        (iterate_in_worker, "bufer_size", r"did you mean 'buffer_size'\?$"),
        (iterate_in_subprocess, "backend", r"iterate_in_worker takes it$"),
        (iterate_in_subinterpreter, "env", r"iterate_in_subprocess takes it$"),
        (iterate_in_subinterpreter, "zzz", r"it takes fn, initializer, .*, wait, "),
        (iterate_in_worker, "num_workers", r"iterate_in_workers takes it$"),
        (iterate_in_worker, "prefetch_factor", r"use 'buffer_size'$"),
        (iterate_in_worker, "persistent_workers", r"leave it out, since workers stay until .*"),
        (
            iterate_in_worker,
            "worker_init_fn",
            r"use .initializer., which .*get_worker_info\(\).index$",
        ),
        (iterate_in_worker, "generator", r"use 'seed'$"),
        (map_in_workers, "initargs", r"give them to the initializer by functools.partial$"),
        (iterate_in_subprocess, "args", r"give them to the function by functools.partial$"),
        (iterate_in_subprocess, "arena", r"leave it out, since large contents go through .*"),
        (iterate_in_workers, "num_epochs", r"loop once for each epoch$"),
        (map_in_workers, "concurrency", r"use 'num_workers'$"),
        (map_in_workers, "num_cpus", r"backend='ray' has it in its backend_options$"),
        (map_in_workers, "maxtasksperchild", r"WorkerExecutor takes max_tasks_per_child$"),
        (map_in_workers, "return_as", r"in_order=False gives what comes first$"),
        (map_in_workers, "use_worker_state", r"use 'setup'$"),
        (iterate_in_workers, "block_length", r"let your function yield lists$"),
        (iterate_in_workers, "num_parallel_calls", r"use 'num_workers'$"),
        (iterate_in_worker, "sampler", r"farside.torch.data_loader takes .* documentation$"),
        (iterate_in_worker, "shuffle", r"farside.torch.data_loader takes it for .*; else your .*"),
    ],
)
def test_an_unknown_option_is_refused_at_once(entry: Any, name: str, message: str) -> None:
    arguments = (abs, [1], 1) if entry in {iterate_in_workers, map_in_workers} else (3,)
    start = rf"^{entry.__name__}\(\) got an unexpected keyword argument '{name}'; "
    with pytest.raises(TypeError, match=start + message):
        entry(*arguments, **{name: 1})


def test_all_unknown_options_are_named_at_once() -> None:
    given: Any = {"prefetch": 2, "timeout": 3, "num_epochs": 4}
    text = (
        r"^map_in_workers\(\) got unexpected keyword arguments\n"
        r"  'prefetch'; use 'buffer_size'\n  'num_epochs'; loop once for each epoch$"
    )
    with pytest.raises(TypeError, match=text):
        map_in_workers(abs, [1], 1, **given)


@pytest.mark.parametrize(
    ("entry", "given", "message"),
    [
        (map_in_workers, {"n_jobs": 3}, "use 'num_workers'"),
        (map_in_workers, {"num_worker": 3}, r"did you mean 'num_workers'\?"),
        (iterate_in_workers, {"processes": 3}, "use 'num_workers'"),
        (iterate_in_worker, {"max_workers": 3}, "iterate_in_workers takes num_workers"),
        (WorkerExecutor, {"num_workers": 3}, "use 'max_workers'"),
        (WorkerExecutor, {"n_jobs": 3}, "use 'max_workers'"),
        (WorkerExecutor, {"timeout": 3}, "use 'task_timeout'"),
        (WorkerExecutor, {"retrys": 3}, r"did you mean 'retries'\?"),
        (WorkerExecutor, {"prefetch": 3}, "map_in_workers takes buffer_size"),
        (WorkerExecutor, {"fn": 3}, "it takes max_workers, backend, .*, max_tasks_per_child"),
        (map_in_workers, {"fn": 3}, "use 'function'"),
        (iterate_in_worker, {"function": 3}, "use 'fn'"),
        (iterate_in_workers, {"iterable": 3}, "use 'fn'"),
        (WorkerExecutor, {"zzz": 3}, "it takes max_workers, backend, .*, max_tasks_per_child"),
    ],
)
def test_an_argument_by_another_name_is_told_before_it_is_missed(
    entry: Any, given: dict[str, int], message: str
) -> None:
    arguments = [] if entry is WorkerExecutor else [abs, [1]][: 1 + entry.__name__.endswith("s")]
    [name] = given
    start = rf"^{entry.__name__}\(\) got an unexpected keyword argument '{name}'; "
    with pytest.raises(TypeError, match=f"{start}{message}$"):
        entry(*arguments, **given)


def test_what_is_missing_is_still_told() -> None:
    with pytest.raises(TypeError, match=r"map_in_workers\(\) missing 1 required .* 'num_workers'"):
        map_in_workers(abs, [1])  # type: ignore[call-overload]


def test_the_signature_of_an_executor() -> None:
    assert str(inspect.signature(WorkerExecutor)).startswith("(max_workers: 'int | None' = None, *")


def test_a_missing_fn() -> None:
    with pytest.raises(TypeError, match=r"iterate_in_worker\(\) missing 1 required"):
        farside.iterate_in_worker(timeout=3)  # type: ignore[call-arg]


def test_a_class_and_arguments_of_its_own() -> None:
    class Executor:
        @takes(options.SubprocessOptions)
        def __init__(self, num_workers: int, *, ordered: bool = True, **given: Any) -> None:
            self.given = num_workers, ordered, complete(Executor.__init__, given)

    shown = list(inspect.signature(Executor).parameters)
    assert shown[:3] == ["num_workers", "ordered", "initializer"]
    assert Executor(3, timeout=2.5).given[2]["timeout"] == 2.5
    assert check(list, backend="auto", **Executor(3).given[2]).timeout is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("task_timout", "did you mean 'task_timeout'"),
        ("max_restarts", "use 'retries'"),
        ("n_jobs", "use 'num_workers'"),
    ],
)
def test_an_unknown_option_of_a_map(name: str, message: str) -> None:
    unknown: Any = {name: 1}
    with pytest.raises(TypeError, match=message):
        map_in_workers(abs, [1], 1, **unknown)


def test_an_unknown_option_of_several_workers() -> None:
    unknown: Any = {"shuffle": True}
    with pytest.raises(TypeError, match="shuffle_shards=True draws the order of the shards"):
        iterate_in_workers(range, 2, 1, **unknown)
