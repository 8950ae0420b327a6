"""The defaults of the options, once.

Workers import this module: see `farside.api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..options import WorkerOptions

BUFFER_BYTES = 1 << 22
"""Default of ``buffer_bytes``. With items of 100 kB it keeps both sides busy. With a quarter of it
they would spend half of the time waiting for each other, since waking a process takes as long as
moving several such items. And it is little compared with the memory of a Python process."""

MAP_BUFFER_BYTES = 1 << 23
"""The same for maps and executors, where the thread of the loop sends inputs too, and each message
costs it as much as several arrays of 100 kB. With these in and out, a map is 1.6 to 1.9 times as
fast as with 1 MiB."""

LEAST_BUFFER_BYTES = 1 << 20
"""Where ``arena_bytes`` is small, both defaults are a quarter of it, but at least so much."""

ARENA_BYTES = 1 << 30  # default of ``arena_bytes``: address space; memory is taken as it is used
ARENA_MOST = 1 << 47  # largest ``arena_bytes``: what a process can address
SHUTDOWN_SECONDS = 4.0  # half of it for an orderly end, a quarter after SIGTERM

DEFAULTS: WorkerOptions = {
    "initializer": None,
    "finalizer": None,
    "seed": None,
    "buffer_size": None,
    "buffer_bytes": BUFFER_BYTES,
    "arena_bytes": ARENA_BYTES,
    "backend": "auto",
    "backend_options": None,
    "fallback": "subprocess",
    "mp_context": None,
    "daemon": False,
    "env": None,
    "name": None,
    "worker_index": 0,
    "worker_count": 1,
    "wait": True,
    "timeout": None,
    "init_timeout": None,
    "shutdown_timeout": SHUTDOWN_SECONDS,
    "forward_logs": True,
    "max_restarts": 0,
    "verify_replay": True,
}
"""Every option with its default, in the order in which signatures show them."""
