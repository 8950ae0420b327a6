"""Moves frames between parent and worker. Knows no command and no status.

The channel: `channel` (the interface), `opening`, `pipes` and `worker_pipes` (its two sides, over
OS pipes and shared memory) with `pipe_io` (what they share), `sender` (the parent's commands, which
never waits for room), `writer` (the worker's frames, sent by several threads), `board` (words in
that memory), `frames` (bytes of a frame), `descriptors` (who owns which file descriptor, across
forks too), `readiness` (what an event loop waits for), `stopwatch`, `interrupts` and `sigpipe`.

What it carries: `codec` (objects and bytes), `items` (what items cross as), `encoder` (which makes
that) with `reducers` and `tensors` (how some kinds are pickled), `outbox` (what the worker has not
sent yet), `credit` (how far it may run ahead).

Large contents: `memory` (shared by both), `arena` (the worker's use of it) with `blocks` (which of
it is free), `leases` (what the parent's user holds of it), `grants` and `allocate` (what the
worker's user makes items in).
"""
