"""Moves frames between parent and worker. Knows no command and no status.

`frames` (bytes of a frame), `codec` (objects and bytes), `credit` (how far the worker may run
ahead), `channel` (the interface), `pipes` and `worker_pipes` (the two sides of the channel over
OS pipes) with `pipe_io` (what they share), `descriptors` (who owns which file descriptor, across
forks too), `sigpipe`. For large payloads: `memory` (shared by both), `blocks` (which of it is in
use; the worker's), `leases` (what the parent's user holds of it), `grants` and `allocate` (what the
worker's user makes items in). `tensors` makes buffers of PyTorch's.
"""
