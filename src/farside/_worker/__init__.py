"""What runs inside a worker. It imports as little as it can: that is start-up time.

Entry points: `process` and `interpreter`, one for each backend; `serve` is what they share.
`fork_server` is for that server.
`bundled` loads modules that the parent has read, and `inheritance` is for multiprocessing.

The protocol: `execute` (execute_iterable) with `load` (of the user's callables) and `finalizers`;
`stepwise` is the same in the parent's thread. `listener` hears commands while user code runs,
`threads` begins threads and ends user code, `lifeline` ends a process whose parent is gone,
`forked` a worker's children.

Items: `maker` makes those of `tasks` (one iterable; `shards`; `mapper`: inputs) with `loops` and
`iterables`; `outbox` and `flusher` send them. `passing` makes items again, from `snapshots` on.
`loader`, with `sampling` and `seeding`, and `torch_info` are for PyTorch.

Log records: `forward`, with `log_hook` once logging is imported (`import_hook`). And `stacks`.
"""
