"""Channels for the tests of this folder."""

from collections.abc import Iterator

import pytest

from farside._transport.opening import WorkerEnds, open_channel
from farside._transport.pipes import PipeParentChannel
from farside._transport.worker_pipes import PipeWorkerChannel
from tests.transport.boxed import Boxed
from tests.transport.channels import ARENA, TRANSPORTS, Make, close_all, pipe_worker
from tests.transport.ways import WAYS, Way


def let_go(request: pytest.FixtureRequest) -> None:
    """Let pytest keep no fixture longer than needed: before 3.13 a mapping has a descriptor."""
    request.node.funcargs.clear()


@pytest.fixture(params=list(TRANSPORTS.values()), ids=list(TRANSPORTS))
def make(request: pytest.FixtureRequest) -> Make:
    """Return the factory of each transport."""
    factory: Make = request.param
    return factory


@pytest.fixture
def opened(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[PipeParentChannel, WorkerEnds]]:
    parent, ends = open_channel(ARENA)
    yield parent, ends
    parent.close()
    close_all(ends)
    let_go(request)


@pytest.fixture
def parent(opened: tuple[PipeParentChannel, WorkerEnds]) -> PipeParentChannel:
    return opened[0]


@pytest.fixture
def worker_ends(opened: tuple[PipeParentChannel, WorkerEnds]) -> WorkerEnds:
    return opened[1]


@pytest.fixture
def worker(worker_ends: WorkerEnds) -> PipeWorkerChannel:
    return pipe_worker(worker_ends)


@pytest.fixture
def boxed() -> Iterator[Boxed]:
    made = Boxed()
    yield made
    made.close()


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """Each way that an item can go."""
    made = Way(request.param)
    yield made
    made.close()


@pytest.fixture
def roomy() -> Iterator[Way]:
    made = Way(1 << 24)
    yield made
    made.close()
