"""What runs inside a worker. It imports as little as it can: that is start-up time.

`process` and `interpreter` (the entry points, one for each backend), `serve` (what they share),
`bundled` (imports what the parent has read), `execute` (execute_iterable: the protocol) with
`maker` (makes the items) of `tasks` (`whole`: one iterable; `shards`; `mapper`: inputs),
`listener` (hears commands while user code runs), `interrupt` (ends that code when it goes on),
`lifeline` (ends a process that is stuck when its parent is gone), `load` (of the user's callables),
`outbox` (items that are not sent yet) and `flusher` (sends them when user code takes its time),
`finalizers`, `stacks` (where its threads are).
"""
