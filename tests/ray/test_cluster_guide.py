"""The code of the guide runs; not where the other pages do, since Ray itself warns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of

pytestmark = pytest.mark.timeout(180)  # Ray starts processes, which takes seconds

_PAGE = Path(__file__).parents[2] / "docs" / "guides" / "cluster.md"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> None:
    """None: the page makes one."""


def test_the_page_prints_what_it_says(tmp_path: Path) -> None:
    blocks = blocks_of(_PAGE.read_text("utf-8"))
    for block in blocks:
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    [command] = [block.text for block in blocks if block.language == "console"]
    script, _, wanted = command.removeprefix("$ python ").partition("\n")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": "local"},  # and none of tests that run at the same time
        stdout=subprocess.PIPE,
        text=True,
        timeout=150,
        check=True,
    )
    assert done.stdout.split() == wanted.split()


_MAIN = """
import dataclasses
import ray
from farside import WorkerExecutor, map_in_workers

@dataclasses.dataclass
class Point:
    x: int

def double(point):
    return Point(2 * point.x)

if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=200 << 20)
    given = {"backend": "ray", "backend_options": {"num_cpus": 0.1}}
    with WorkerExecutor(1, **given) as executor:
        assert executor.submit(double, Point(1)).result() == Point(2)
    with map_in_workers(double, [Point(2)], 1, **given) as points:
        assert list(points) == [Point(4)]
"""


def test_what_the_main_script_defines_is_sent_as_a_whole(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(_MAIN)
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    subprocess.run([sys.executable, str(script)], env=environment, timeout=150, check=True)
