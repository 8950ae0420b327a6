"""Links for the tests of this folder."""

from collections.abc import Iterator

import pytest

from farside._link.opening import WorkerEnds, open_link
from farside._link.pipes import PipeLink
from farside._link.worker_pipes import PipeWorkerLink
from tests.link.links import ARENA, LINKS, Make, close_all, pipe_worker


def let_go(request: pytest.FixtureRequest) -> None:
    """Let pytest keep no fixture longer than needed: before 3.13 a mapping has a descriptor."""
    request.node.funcargs.clear()


@pytest.fixture(params=list(LINKS.values()), ids=list(LINKS))
def make(request: pytest.FixtureRequest) -> Make:
    """Return the factory of each link."""
    factory: Make = request.param
    return factory


@pytest.fixture
def opened(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[PipeLink, WorkerEnds]]:
    parent, ends = open_link(ARENA)
    yield parent, ends
    parent.close()
    close_all(ends)
    let_go(request)


@pytest.fixture
def parent(opened: tuple[PipeLink, WorkerEnds]) -> PipeLink:
    return opened[0]


@pytest.fixture
def worker_ends(opened: tuple[PipeLink, WorkerEnds]) -> WorkerEnds:
    return opened[1]


@pytest.fixture
def worker(worker_ends: WorkerEnds) -> PipeWorkerLink:
    return pipe_worker(worker_ends)
