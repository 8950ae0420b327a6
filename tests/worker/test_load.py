"""Loading a job: the state of the parent that user code expects, and the callables themselves."""

import pickle
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farside._payload.job import Job, Preparation
from farside._payload.verbosity import flatten_filters
from farside._worker.load import load_call
from tests.children import run_python
from tests.worker.harness import BUDGET, INFO


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give this process its own state back."""
    argv, limit = list(sys.argv), sys.getrecursionlimit()
    with warnings.catch_warnings():
        yield
    sys.argv[:] = argv
    sys.setrecursionlimit(limit)


def preparation(**changes: Any) -> Preparation:
    """Make a preparation that changes nothing but what is told."""
    here = Preparation(
        list(sys.argv), flatten_filters(), sys.getrecursionlimit(), None, None, None, None
    )
    return here._replace(**changes)


def load(given: Preparation | None, call: object = (list, (), ())) -> object:
    """Load a pickled call with a given preparation."""
    return load_call(Job(pickle.dumps(call), given, None, BUDGET, INFO))


def test_pickled_callables_are_loaded() -> None:
    assert load(preparation(), (list, (int, str), ())) == (list, (int, str), ())


def test_callables_that_were_handed_over_are_taken_as_they_are() -> None:
    call = (lambda: [1], (), ())
    assert load_call(Job(call, None, None, BUDGET, INFO)) is call


def test_a_pickle_that_came_through_the_link_is_not_kept() -> None:
    given: list[Any] = [memoryview(pickle.dumps((list, (), ())))]
    assert load_call(Job(given, preparation(), None, BUDGET, INFO)) == (list, (), ())
    assert not given


def test_argv_is_the_parents() -> None:
    argv = sys.argv
    load(preparation(argv=["script", "--option"]))
    assert sys.argv == ["script", "--option"]
    assert sys.argv is argv  # who has imported it sees the change


def test_the_recursion_limit_is_the_parents() -> None:
    limit = sys.getrecursionlimit() + 321
    load(preparation(recursion_limit=limit))
    assert sys.getrecursionlimit() == limit


def test_the_warning_filters_are_the_parents() -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("error", message="this one", category=UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        filters = list(warnings.filters)
        plain = pickle.loads(pickle.dumps(flatten_filters()))
    load(preparation(warning_filters=plain))
    assert list(warnings.filters) == filters
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    with pytest.raises(UserWarning, match="this one"):
        warnings.warn("this one", stacklevel=1)


def test_a_filter_whose_category_is_not_there_is_left_out() -> None:
    filters = list(warnings.filters)
    odd = ("error", None, "module.that.is.nowhere", "OddWarning", None, 0)
    load(preparation(warning_filters=[odd, *flatten_filters()]))
    assert list(warnings.filters) == filters


def test_a_category_that_comes_with_fn_is_found() -> None:
    module = type(sys)("comes_with_fn")
    module.OddWarning = type("OddWarning", (UserWarning,), {})  # type: ignore[attr-defined]
    plain = [("error", ("a (text|line)", 2), "comes_with_fn", "OddWarning", None, 0)]
    call = Comes(module)
    try:
        load(preparation(warning_filters=plain), (call, (), ()))
    finally:
        del sys.modules["comes_with_fn"]
    [(action, message, category, _, _)] = warnings.filters
    assert (action, category) == ("error", module.OddWarning)
    assert message is not None
    assert message.pattern == "a (text|line)"


class Comes:
    """Brings a module with it when it is loaded."""

    def __init__(self, module: Any) -> None:
        COMING.append(module)

    def __reduce__(self) -> Any:
        return _come, ()


COMING: list[Any] = []


def _come() -> type:
    module = COMING.pop()
    sys.modules[module.__name__] = module
    return list


def test_without_a_main_module_the_workers_stays() -> None:
    before = sys.modules["__main__"]
    load(preparation())
    assert sys.modules["__main__"] is before


def test_a_forked_worker_has_its_surroundings_already() -> None:
    limit, argv = sys.getrecursionlimit(), list(sys.argv)
    load(None)
    assert (sys.getrecursionlimit(), sys.argv) == (limit, argv)


# The main module, in children: it takes the place of theirs -----------------------------------

MAIN = """\
import sys

class Thing:
    pass

def fn():
    return [Thing]

print("imported as", __name__)
if __name__ == "__main__":
    print("below the guard")
"""

CHILD = """\
import pickle, sys
from farside._payload.job import Job, Preparation
from farside._worker.load import load_call

name, path = (each or None for each in sys.argv[1:])
before = sys.modules["__main__"]
where = Preparation(["argv"], [], 1000, None, None, name, path)
fn, _ = load_call(Job(b"(c__main__\\nfn\\n)t.", where, None, 1, ()))
(thing,) = fn()
assert sys.modules["__main__"] is sys.modules["__mp_main__"] is not before
assert sys.modules["__main__"].Thing is thing
assert pickle.loads(pickle.dumps(thing)) is thing
assert before.pickle is pickle  # its code still runs
print("found", thing.__module__, sys.argv)
"""

EXPECTED = "imported as __mp_main__\nfound __mp_main__ ['argv']\n"


def test_a_main_module_that_has_a_path(tmp_path: Path) -> None:
    script = tmp_path / "a script.py"
    script.write_text(MAIN)
    assert run_python(CHILD, "", str(script)) == EXPECTED


def test_a_main_module_that_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "tool.py").write_text(MAIN + "from . import __name__ as parent\n")
    assert run_python(CHILD, "package.tool", "", cwd=tmp_path) == EXPECTED


def test_a_main_module_that_is_gone_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(preparation(main_path=str(tmp_path / "gone.py")))


def test_a_main_module_that_raises_raises(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise LookupError('in main')")
    before = sys.modules["__main__"]
    with pytest.raises(LookupError, match="in main"):
        load(preparation(main_path=str(script)))
    assert sys.modules["__main__"] is before
