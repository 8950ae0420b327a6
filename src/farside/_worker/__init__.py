"""What runs inside a worker. It imports as little as possible, so that a worker starts quickly.

Entry points: `process` and `interpreter`, one for each backend; they share `serve`, which the
backend for Ray calls itself. `fork_server` prepares a fork server. `bundled` loads modules that the
parent has read, and `inheritance` gives multiprocessing what the parent has.

The protocol: `execute` (execute_iterable) with `load` (of the user's callables) and `finalizers`;
`stepwise` is the same in the parent's thread. `listener` receives commands while user code runs,
`threads` starts threads and ends user code, `lifeline` ends a process whose parent is gone, and
`forked` ends children that a worker has forked.

Items: `maker` makes the items of `tasks` (one iterable, `shards`, or the inputs of a `mapper`) with
`loops` and `iterables`; `outbox` and `flusher` send them. `passing` makes items again and skips
them, beginning at a state from `snapshots` if there is one. `loader`, with `parts` and `seeding`,
and `torch_info` are for PyTorch.

Log records: `forward`, with `log_hook` once logging is imported (`import_hook`). `stacks` reports
where threads are.
"""
