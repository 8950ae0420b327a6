"""What a backend of your own is made of.

A backend is a class with a name and two methods: it says whether it can be used, and it starts
workers. A worker is an object with a channel and five methods. `register_backend` makes a backend
known, and `farside.testing.BackendContract` checks that it keeps what farside promises.

This interface may change in a minor release for as long as farside is at 0.x.
"""

from __future__ import annotations

from ._backends.base import Availability, Backend, ExitStatus, Worker
from ._backends.surroundings import pack
from ._options import Options
from ._transport.channel import ParentChannel, WorkerChannel
from ._transport.opening import WorkerEnds, open_channel
from ._transport.worker_pipes import PipeWorkerChannel
from ._worker.job import Job
from ._worker.serve import serve

__all__ = [
    "Availability",
    "Backend",
    "ExitStatus",
    "Job",
    "Options",
    "ParentChannel",
    "PipeWorkerChannel",
    "Worker",
    "WorkerChannel",
    "WorkerEnds",
    "open_channel",
    "pack",
    "serve",
]
