"""RemoteIterable: what does not depend on the kind of worker."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from farside import iterate_in_worker

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


@pytest.mark.parametrize("how", ["file", "standard input"])
def test_the_first_workers_of_a_process_start_in_threads(
    kind: Kind, how: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(AT_ONCE)
    program = "-" if how == "standard input" else str(script)
    run = subprocess.run(
        [sys.executable, program, kind.backend],
        input=AT_ONCE if program == "-" else "",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("[]\n", "")


def test_it_is_neither_copied_nor_pickled() -> None:
    with iterate_in_worker(partial(range, 3)) as numbers:
        for refused in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="RemoteIterable cannot be copied or pickled"):
                refused(numbers)
        assert list(numbers) == [0, 1, 2]


BUSY = """\
import os, signal, sys
from tests.kinds import KINDS

if __name__ == "__main__":
    [kind] = [kind for kind in KINDS if kind.name == sys.argv[1]]
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with kind.start(jobs.Endless) as numbers:
        for step in range(40):
            signal.setitimer(signal.ITIMER_REAL, 0.001 + step / 20_000)
            try:
                for _ in numbers:
                    pass
            except KeyboardInterrupt:
                pass
            first = iter(numbers)
            assert [next(first), next(first)] == [0, 1]
    print("every pass was whole")
"""


def test_ctrl_c_in_a_busy_loop_does_no_harm(kind: Kind, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(BUSY)
    # Coverage is left out: an interrupt can leave it with its own lock locked.
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    run = subprocess.run(
        [sys.executable, str(script), kind.name],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("every pass was whole\n", "")
