"""A map whose workers are killed all the time: each input once, and blame for what kills alone."""

from __future__ import annotations

import os
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from farside import WorkerDiedError, WorkerRestartedWarning, map_in_workers
from tests import mapping_jobs as jobs

if TYPE_CHECKING:
    from pathlib import Path

    from farside import RemoteIterable

SOAK = 100 if "FARSIDE_SOAK_SECONDS" in os.environ else 1
"""Times 10,000 inputs."""

RETRIES = 2


class Killer:
    """Kills one worker each second, in turn, from a thread."""

    def __init__(self, results: RemoteIterable[Any]) -> None:
        self._results = results
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._kill)
        self.kills = 0

    def _kill(self) -> None:
        while not self._end.wait(1.0):
            client: Any = self._results._current
            member = client.members[self.kills % len(client.members)]
            if member.worker is not None:
                self.kills += member.worker.kill()

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.mark.timeout(60 * SOAK)
def test_a_map_whose_workers_are_killed_each_second(tmp_path: Path) -> None:
    count = 10_000 * SOAK
    every = count // 4
    function = partial(jobs.nap_or_die, str(tmp_path), every)
    blamed, place = list[int](), 0
    with (
        warnings.catch_warnings(record=True) as caught,
        map_in_workers(
            function,
            range(count),
            4,
            backend="subprocess",
            mp_context="forkserver",
            retries=RETRIES,
            on_error="return",
        ) as results,
        Killer(results) as killer,
    ):
        warnings.simplefilter("always")
        for place, result in enumerate(results):
            if isinstance(result, WorkerDiedError):
                assert result.input_index == place
                blamed.append(place)
            else:
                assert result == place
        restarts = results.stats().restarts
    assert place == count - 1
    assert blamed == [number for number in range(count) if jobs.is_deadly(number, every)]
    # Whatever else was killed beside: each of them has had its tries, and no more.
    runs = [(tmp_path / str(number)).stat().st_size for number in blamed]
    assert max(runs) <= RETRIES + 1
    by_themselves = len(blamed) * (RETRIES + 1)
    assert killer.kills > 0
    assert by_themselves <= restarts <= by_themselves + killer.kills
    assert {each.category for each in caught} == {WorkerRestartedWarning}
