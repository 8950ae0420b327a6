"""What runs inside a worker. It imports as little as it can: that is start-up time.

`process` and `interpreter` (the entry points, one for each backend), `serve` (what they share),
`execute` (execute_iterable: the protocol), `listener` (hears commands while user code runs),
`interruptible` (ends that code when it goes on), `lifeline` (ends a process that is stuck when its
parent is gone), `job` (what the worker is given), `info` (what it knows of itself), `calls` (of
methods, by the parent), `finalizers`, `stacks` (where its threads are), `failure` (exceptions as
data).
"""
