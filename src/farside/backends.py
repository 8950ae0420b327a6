"""What a backend of your own is made of.

A backend is a class with a name and two methods: it says whether it can be used, and it starts
workers. A worker is an object with a link and five methods. `register_backend` makes a backend
known, and `farside.testing.BackendContract` checks that it keeps what farside promises.

This interface may change in a minor release for as long as farside is at 0.x.
"""

from __future__ import annotations

from ._backends.base import Availability, Backend, Capabilities, ExitStatus, Worker
from ._backends.preparation import pack
from ._link.base import Gauges, Link
from ._link.control import begun_input
from ._link.frames import Frame
from ._link.opening import WorkerEnds, open_link
from ._link.worker_base import WorkerLink
from ._link.worker_pipes import PipeWorkerLink
from ._parent.options import Options
from ._payload.job import Job
from ._worker.serve import serve
from .errors import LinkClosedError

__all__ = [
    "Availability", "Backend", "Capabilities", "ExitStatus", "Frame", "Gauges", "Job", "Link",
    "LinkClosedError", "Options", "PipeWorkerLink", "Worker", "WorkerEnds", "WorkerLink",
    "begun_input", "open_link", "pack", "serve",
]  # fmt: skip
