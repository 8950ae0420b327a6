"""The parent's side of the workers.

What users hold: `iterable` (RemoteIterable) with its loops `results` (``for``) and `async_results`
(``async for``), which share `one_pass` and `decoding`; `calls` (of methods, and for stacks),
`next_pass` (states and epochs), `stats`. Their arguments are checked by `options`, `several`,
`signatures` and `checks` (of single ones).

The workers: a `client` has a `member` for each. Its `steps` change the core of `_protocol`, with
one lock and a mailbox; `received` feeds the core with frames, and `effects` carries out what it
decides. `starting` (of a backend, by `choosing`) and `closing` take time, so they run as `chores`;
`logs` go to the user. Threads wait in `wait`, event loops in `aio` (on the `event_loops`): for the
`links`, or until a `deadline`.

What a pass is made of, and how its items come to the loop, is in `passes`. Executors are in
`executors`.

Messages: `messages_for_people`, `remote_failures`, `not_sent`, `notes`, `unguarded`, `logs`. And
`counters`.
"""
