"""RemoteIterable: what does not depend on the kind of worker."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import (
    RemoteIterable,
    SubinterpreterIterable,
    SubprocessIterable,
    iterate_in_worker,
    map_in_workers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kinds import Kind

AT_ONCE = """\
import sys, threading
from functools import partial
import farside

def start(problems):
    try:
        with farside.iterate_in_worker(partial(range, 3), backend=sys.argv[1]) as numbers:
            assert list(numbers) == [0, 1, 2]
    except Exception as error:
        problems.append(repr(error))

if __name__ == "__main__":
    problems = []
    threads = [threading.Thread(target=start, args=(problems,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(problems)
"""


@pytest.mark.parametrize("by_file", [True, False], ids=["file", "standard input"])
def test_the_first_workers_of_a_process_start_in_threads(
    kind: Kind, tmp_path: Path, *, by_file: bool
) -> None:
    run = run_script(tmp_path, AT_ONCE, kind.backend, by_file=by_file)
    assert (run.stdout, run.stderr) == ("[]\n", "")


def test_it_is_neither_copied_nor_pickled() -> None:
    with iterate_in_worker(partial(range, 3)) as numbers:
        for refused in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="RemoteIterable cannot be copied or pickled"):
                refused(numbers)
        assert list(numbers) == [0, 1, 2]


BUSY = """\
import os, signal, sys
from tests import jobs
from tests.kinds import KINDS

if __name__ == "__main__":
    [kind] = [kind for kind in KINDS if kind.name == sys.argv[1]]
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with kind.start(jobs.Endless) as numbers:
        for step in range(40):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.001 + step / 20_000)
                for _ in numbers:
                    pass
            except KeyboardInterrupt:
                pass
            first = iter(numbers)
            assert [next(first), next(first)] == [0, 1]
    print("every pass was whole")
"""


def test_ctrl_c_in_a_busy_loop_does_no_harm(kind: Kind, tmp_path: Path) -> None:
    run = run_script(tmp_path, BUSY, kind.name)
    assert (run.stdout, run.stderr) == ("every pass was whole\n", "")


def run_script(
    folder: Path, text: str, *args: str, by_file: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a script, without coverage: that warns, and an interrupt can leave its lock locked."""
    script = folder / "script.py"
    script.write_text(text)
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    return subprocess.run(
        [sys.executable, str(script) if by_file else "-", *args],
        input="" if by_file else text,
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("cls", [RemoteIterable, SubprocessIterable, SubinterpreterIterable])
@pytest.mark.parametrize("given", [(), (list,), (partial(range, 3), 2)])
def test_the_classes_say_what_makes_their_objects(cls: Any, given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=f"a {cls.__name__} is not made .*; call iterate_in_worker"):
        cls(*given)


def test_a_map_of_a_generator_has_no_len_and_tells_the_cure() -> None:
    # pandas.concat() asks whatever has a __len__, and lets the error through.
    with map_in_workers(abs, iter([-1, 2]), 0) as results:
        with pytest.raises(TypeError, match=r"has no len\(\): .*; a list of it has one$"):
            len(results)
        assert len(list(results)) == 2
